import {
  Column,
  DataSource,
  DefaultNamingStrategy,
  Entity,
  IsNull,
  MoreThan,
  PrimaryColumn,
  Unique,
} from 'typeorm'
import { expect } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../../../src'
import { Encrypted, withEncryption } from '../../../../src/typeorm'
import { pendingStatements } from '../../../typeorm/data-source'
import { Card, Note, Patient, Tag } from '../entities'
import { refused, type Section, supported } from '../matrix'
import { ENTITIES } from '../world'

@Entity()
@Unique(['ward', 'email'])
class Reindexed {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: true, next: { exact: { normalize: 'email' } } })
  email!: string
}

class Shouting extends DefaultNamingStrategy {
  override columnName(property: string, name: string, prefixes: string[]): string {
    return super.columnName(property, name, prefixes).toUpperCase()
  }
}

/** `-c default_transaction_read_only=on` */
const READ_ONLY = '-c%20default_transaction_read_only%3Don'

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
    supported(
      'read replicas',
      async (world) => {
        const { url } = world.dataSource.options as { url: string }
        await world.dataSource.query('CREATE SCHEMA replicated')
        const dataSource = new DataSource({
          type: 'postgres',
          schema: 'replicated',
          synchronize: true,
          // What is written to the replica fails.
          replication: { master: { url }, slaves: [{ url: `${url}?options=${READ_ONLY}` }] },
          entities: [Tag],
        })
        const provider = inAppKeyProvider({ name: 'other', secret: generateRootKey() })
        const keyring = createKeyring({ providers: [provider] })
        await withEncryption(dataSource, { keyring }).initialize()
        try {
          const tags = dataSource.getRepository(Tag)
          await tags.save({ id: 1, label: 'r' })
          expect(await tags.findOneBy({ label: 'r' })).toMatchObject({ id: 1 })
          const setting = "current_setting('transaction_read_only')"
          const query = tags.createQueryBuilder('t').select(setting, 'on').where("t.label = 'r'")
          expect(await query.getRawOne()).toEqual({ on: 'on' })
        } finally {
          await dataSource.destroy()
        }
      },
      'keys are read on the connection of the statement that needs them, and written to the master',
    ),
    supported(
      'synchronize, migration:generate',
      async ({ dataSource }) => {
        expect(await pendingStatements(dataSource)).toEqual([])
      },
      'hidden columns, their indexes and the key store included',
    ),
    supported(
      '@Encrypted({ next })',
      async (world) => {
        const { url } = world.dataSource.options as { url: string }
        await world.dataSource.query('CREATE SCHEMA changing')
        const dataSource = new DataSource({
          ...{ type: 'postgres', url, schema: 'changing', synchronize: true },
          entities: [Reindexed],
        })
        const keyring = createKeyring({
          providers: [inAppKeyProvider({ name: 'main', secret: generateRootKey() })],
        })
        await withEncryption(dataSource, { keyring }).initialize()
        const accounts = dataSource.getRepository(Reindexed)
        await accounts.save({ id: 1, ward: 'A', email: 'A@x.org' })
        await accounts.upsert({ id: 2, ward: 'A', email: 'A@x.org' }, ['ward', 'email'])
        expect(await accounts.findOneByOrFail({ email: 'A@x.org' })).toMatchObject({ id: 2 })
        expect(await pendingStatements(dataSource)).toEqual([])
        await dataSource.destroy()
      },
      'the columns beside, with indexes and constraints as the own ones have them; what is written and asked follows `reindex`',
    ),
    supported('cache with an id, a duration, joins, and of raw rows', async ({ builder, log }) => {
      const query = () => builder().leftJoinAndSelect('p.notes', 'n').where("p.email = 'p1@x.org'")
      const read = () => query().orderBy('n.id').cache('notes of one', 60_000).getOneOrFail()
      expect(await read()).toEqual(await read())
      expect((await read()).notes).toMatchObject([{ text: 'n11' }, { text: 'n12' }])
      const count = () => query().select('COUNT(*)', 'n').cache(60_000).getRawOne()
      expect([await count(), await count()]).toEqual([{ n: '2' }, { n: '2' }])
      expect(log.filter((line) => /FROM "patient"/.test(line))).toHaveLength(2)
    }),
    supported(
      'namingStrategy, entityPrefix, schema, relationLoadStrategy, isolateWhereStatements',
      async (world) => {
        const { url } = world.dataSource.options as { url: string }
        await world.dataSource.query('CREATE SCHEMA styled')
        const dataSource = new DataSource({
          ...{ type: 'postgres', url, schema: 'styled', synchronize: true },
          ...{ entities: [Patient, Note, Tag, Card], namingStrategy: new Shouting() },
          ...{ entityPrefix: 'x_', relationLoadStrategy: 'query', isolateWhereStatements: true },
        })
        const provider = inAppKeyProvider({ name: 'styled', secret: generateRootKey() })
        const keyring = createKeyring({ providers: [provider] })
        await withEncryption(dataSource, { keyring }).initialize()
        try {
          const patients = dataSource.getRepository(Patient)
          const notes = [{ id: 1, text: 'n', weight: 3 }]
          await patients.save({ id: 1, ward: 'A', email: 'a@x.org', income: 9, notes })
          const query = patients.createQueryBuilder('p').where("p.email = 'a@x.org' OR p.id = 7")
          expect(await query.andWhere('p.income > 8').getCount()).toBe(1)
          const where = { income: MoreThan(8), address: { street: IsNull() } }
          const found = await patients.find({ where, relations: { notes: true } })
          expect(found).toMatchObject([{ email: 'a@x.org', notes }])
        } finally {
          await dataSource.destroy()
        }
      },
      'options of the DataSource',
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
