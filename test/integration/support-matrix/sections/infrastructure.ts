import { DataSource } from 'typeorm'
import { expect } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../../../src'
import { withEncryption } from '../../../../src/typeorm'
import { pendingStatements } from '../../../typeorm/data-source'
import { Note, Patient, Tag } from '../entities'
import { refused, type Section, supported } from '../matrix'
import { ENTITIES } from '../world'

export const infrastructure: Section = {
  title: 'Cache, replicas, schema',
  rows: [
    supported(
      'query cache',
      async ({ patients, dataSource }) => {
        const read = () => patients.find({ where: { email: 'p1@x.org' }, cache: 10_000 })
        expect(await read()).toMatchObject([{ income: 7 }])
        await dataSource.query(`UPDATE patient SET ward = 'changed' WHERE id = 1`)
        expect(await read()).toMatchObject([{ ward: 'A', income: 7 }])
        const cached = await dataSource.query('SELECT * FROM result_cache')
        expect(JSON.stringify(cached)).not.toContain('p1@x')
      },
      'holds ciphertext; pages that need opened rows pass it by',
    ),
    supported('read replicas', async (world) => {
      const { url } = world.dataSource.options as { url: string }
      await world.dataSource.query('CREATE SCHEMA replicated')
      const dataSource = new DataSource({
        type: 'postgres',
        schema: 'replicated',
        synchronize: true,
        replication: { master: { url }, slaves: [{ url }] },
        entities: [Tag],
      })
      const provider = inAppKeyProvider({ name: 'other', secret: generateRootKey() })
      const keyring = createKeyring({ providers: [provider] })
      await withEncryption(dataSource, { keyring }).initialize()
      try {
        const tags = dataSource.getRepository(Tag)
        await tags.save({ id: 1, label: 'r' })
        expect(await tags.findOneBy({ label: 'r' })).toMatchObject({ id: 1 })
      } finally {
        await dataSource.destroy()
      }
    }),
    supported(
      'synchronize, migration:generate',
      async ({ dataSource }) => {
        expect(await pendingStatements(dataSource)).toEqual([])
      },
      'hidden columns, their indexes and the key store included',
    ),
    supported('queryRunner.manager', async ({ dataSource }) => {
      const runner = dataSource.createQueryRunner()
      await runner.startTransaction()
      const found = await runner.manager.findBy(Patient, { email: 'p1@x.org' })
      await runner.rollbackTransaction()
      await runner.release()
      expect(found).toMatchObject([{ income: 7 }])
    }),
    supported('destroy() and initialize() again', async (world) => {
      const { url } = world.dataSource.options as { url: string }
      await world.dataSource.query('CREATE SCHEMA again')
      const provider = inAppKeyProvider({ name: 'again', secret: generateRootKey() })
      const keyring = createKeyring({ providers: [provider] })
      const options = { type: 'postgres', url, schema: 'again', synchronize: true } as const
      const dataSource = withEncryption(new DataSource({ ...options, entities: [Tag] }), {
        keyring,
      })
      for (let run = 1; run < 3; run++) {
        await dataSource.initialize()
        await dataSource.getRepository(Tag).save({ id: run, label: 'x' })
        expect(await dataSource.getRepository(Tag).countBy({ label: 'x' })).toBe(run)
        await dataSource.destroy()
      }
    }),
    refused(
      'a DataSource without withEncryption',
      'ERR_NOT_INSTALLED',
      async (world) => {
        const { url } = world.dataSource.options as { url: string }
        const plain = new DataSource({ type: 'postgres', url, entities: ENTITIES as never })
        await plain.initialize()
        try {
          return await plain.getRepository(Note).find()
        } finally {
          await plain.destroy()
        }
      },
      'call withEncryption() before initialize()',
    ),
  ],
}
