import { MoreThan } from 'typeorm'
import { expect } from 'vitest'
import { refused, type Section, supported } from '../matrix'

export const counting: Section = {
  title: 'Counting and aggregates',
  rows: [
    supported(
      'count, countBy',
      async ({ patients }) => {
        expect(await patients.countBy({ email: 'p1@x.org' })).toBe(1)
        expect(await patients.count({ where: { income: MoreThan(7) } })).toBe(2)
      },
      'SQL counts whole buckets; rows of boundary buckets are opened',
    ),
    supported('count over joins', async ({ patients }) => {
      expect(await patients.count({ where: { notes: { weight: MoreThan(2) } } })).toBe(2)
    }),
    supported(
      'sum, average, minimum, maximum of a plain property',
      async ({ patients }) => {
        const where = { email: 'p2@x.org' }
        expect(await patients.sum('id', where)).toBe(2)
        expect(await patients.average('id', where)).toBe(2)
        expect(await patients.minimum('id', where)).toBe(2)
        expect(await patients.maximum('id', where)).toBe(2)
      },
      'with exact conditions',
    ),
    refused(
      'sum, average, minimum, maximum under a condition that needs opened rows',
      'ERR_QUERY_UNSUPPORTED',
      ({ patients }) => patients.sum('id', { income: MoreThan(7) }),
      'load the rows',
    ),
    refused(
      'sum, average, minimum, maximum of an encrypted property',
      'ERR_QUERY_UNSUPPORTED',
      ({ patients }) => patients.sum('income' as never),
      'load the values',
    ),
    refused(
      'aggregates as SQL text',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().select('MAX(p.income)', 'm').getRawOne(),
      'load the values',
    ),
    supported('COUNT(property)', async ({ builder }) => {
      expect(await builder().select('COUNT(p.income)', 'n').getRawOne()).toEqual({ n: '3' })
    }),
    supported(
      'loadRelationCountAndMap',
      async ({ builder }) => {
        const query = builder() as unknown as Record<
          string,
          (...path: string[]) => typeof query
        > & {
          getMany(): Promise<Record<string, unknown>[]>
        }
        if (!query.loadRelationCountAndMap) return
        const [one] = await query.loadRelationCountAndMap('p.noteCount', 'p.notes').getMany()
        expect(one).toMatchObject({ email: 'p1@x.org', noteCount: 2 })
      },
      'where the line has it',
    ),
  ],
}
