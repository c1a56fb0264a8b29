import { expect } from 'vitest'
import { openRaw, openRawStream } from '../../../../src/typeorm'
import { Patient } from '../entities'
import { ciphertext, refused, type Section, supported } from '../matrix'

const isEnvelope = (value: unknown) => Buffer.isBuffer(value) && value[0] === 0xe1

export const raw: Section = {
  title: 'Raw results and raw SQL',
  rows: [
    ciphertext('getRawMany, getRawOne', async ({ builder }) => {
      const [row] = await builder().where({ email: 'p1@x.org' }).getRawMany()
      expect(isEnvelope(row.p_email)).toBe(true)
      const one = await builder().select('p.income', 'i').where('p.id = 1').getRawOne()
      expect(isEnvelope(one?.i)).toBe(true)
    }),
    ciphertext(
      'getRawAndEntities',
      async ({ builder }) => {
        const { raw: rows, entities } = await builder().where('p.income > 14').getRawAndEntities()
        expect(entities).toMatchObject([{ id: 3, income: 21 }])
        expect(isEnvelope(rows[0].p_income)).toBe(true)
        expect(rows).toHaveLength(1)
      },
      'the entities are opened, `raw` is not',
    ),
    ciphertext('stream', async ({ builder }) => {
      const stream = await builder().where({ email: 'p1@x.org' }).stream()
      for await (const row of stream)
        expect(isEnvelope((row as unknown as { p_email: unknown }).p_email)).toBe(true)
    }),
    refused(
      'raw results of a query that needs opened rows',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().where('p.income > 7').getRawMany(),
      'getMany(), getCount(), getExists()',
    ),
    ciphertext(
      'dataSource.query, manager.query, queryRunner.query',
      async ({ dataSource }) => {
        const [row] = await dataSource.query('SELECT email FROM patient LIMIT 1')
        expect(isEnvelope(row.email)).toBe(true)
      },
      'not read and not rewritten',
    ),
    supported('openRaw', async ({ dataSource, builder }) => {
      const rows = await builder().select('p.email').where('p.id = 1').getRawMany()
      expect(await openRaw(dataSource, Patient, rows, 'p')).toEqual([{ p_email: 'p1@x.org' }])
    }),
    refused(
      'openRaw with names that the rows do not have',
      'ERR_FIELD_INVALID',
      ({ dataSource }) => openRaw(dataSource, Patient, [{ p_mail: null }], { email: 'p_email' }),
      'name the columns of the rows',
    ),
    supported('openRawStream', async ({ dataSource, builder }) => {
      const stream = await builder().where('p.id = 1').stream()
      for await (const row of openRawStream(dataSource, Patient, stream, 'p')) {
        expect(row).toMatchObject({ p_email: 'p1@x.org', p_income: 7 })
      }
    }),
  ],
}
