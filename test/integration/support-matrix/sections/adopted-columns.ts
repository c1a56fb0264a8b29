import { Column, DataSource, Entity, IsNull, Like, PrimaryColumn, type Repository } from 'typeorm'
import { expect } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../../../src'
import type { AdoptionState } from '../../../../src/adoption/adoption-state'
import { Encrypted, withEncryption } from '../../../../src/typeorm'
import { refused, type Section, supported } from '../matrix'
import type { World } from '../world'

interface Adopted {
  id: number
  ward: string | null
  email: string | null
}

/** Gives each value another form each time. */
const SALTED = {
  to: (value: string | null) => value && `${Math.random()}|${value}`,
  from: (value: string | null) => value?.slice(value.indexOf('|') + 1),
}

/** A repository over one adopted column, in a schema of its own. */
async function withAdopted(
  { dataSource }: World,
  state: AdoptionState,
  transformer: typeof SALTED | undefined,
  work: (repository: Repository<Adopted>) => Promise<unknown>,
): Promise<void> {
  class Row {}
  const prototype = Row.prototype as never
  PrimaryColumn('int')(prototype, 'id')
  Column('text', { nullable: true })(prototype, 'ward')
  const column = { type: 'text', nullable: true, ...(transformer ? { transformer } : {}) } as const
  const adopt = { from: 'email', state, column }
  const place = { name: 'email_sealed', nullable: true, adopt }
  Encrypted({ type: 'string', exact: true, range: { prefix: 1 }, ...place })(prototype, 'email')
  Entity('adopted')(Row)
  const { url } = dataSource.options as { url: string }
  const schema = `adopted_${state}_${transformer ? 'salted' : 'plain'}`
  await dataSource.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  const own = new DataSource({
    type: 'postgres',
    ...{ url, schema, synchronize: true, dropSchema: true, entities: [Row] },
  })
  const provider = inAppKeyProvider({ name: 'other', secret: generateRootKey() })
  await withEncryption(own, { keyring: createKeyring({ providers: [provider] }) }).initialize()
  try {
    await work(own.getRepository(Row as new () => Adopted))
  } finally {
    await own.destroy()
  }
}

async function readsAndWrites(repository: Repository<Adopted>): Promise<void> {
  await repository.save([
    { id: 1, ward: 'A', email: 'ada' },
    { id: 2, ward: 'A', email: null },
  ])
  await repository.insert({ id: 3, ward: 'B', email: 'bob' })
  await repository.update({ email: 'bob' }, { email: 'cid' })
  await repository.upsert({ id: 2, email: 'abe' }, ['id'])
  const ids = (found: readonly Adopted[]) => found.map(({ id }) => id)
  const order = { email: 'ASC' } as const
  expect(ids(await repository.find({ where: { email: Like('a%') }, order }))).toEqual([2, 1])
  const builder = repository.createQueryBuilder('a').where('a.email = :email', { email: 'cid' })
  expect(ids(await builder.getMany())).toEqual([3])
  expect(await repository.countBy({ email: IsNull() })).toBe(0)
}

const BOTH =
  'SELECT count(*)::int AS both FROM %.adopted WHERE email IS NOT NULL AND email_sealed IS NOT NULL'

async function keepsBoth(repository: Repository<Adopted>, state: AdoptionState): Promise<void> {
  await readsAndWrites(repository)
  const sql = BOTH.replace('%', `adopted_${state}_plain`)
  expect(await repository.query(sql)).toEqual([{ both: 3 }])
}

export const adoptedColumns: Section = {
  title: 'Columns that are being adopted',
  rows: [
    supported(
      'reads and writes in `dual` and `backfilled`',
      (world) => withAdopted(world, 'dual', undefined, (all) => keepsBoth(all, 'dual')),
      'conditions and order use the former column; writes keep both',
    ),
    supported(
      'reads and writes in `verified`',
      (world) => withAdopted(world, 'verified', undefined, (all) => keepsBoth(all, 'verified')),
      'conditions and order use the envelope and its indexes; writes keep both',
    ),
    refused(
      'conditions and order on a former column of another encryption, before `verified`',
      'ERR_QUERY_UNSUPPORTED',
      (world) =>
        withAdopted(world, 'dual', SALTED, async (all) => {
          await all.save({ id: 1, ward: 'A', email: 'ada' })
          expect(await all.findOneByOrFail({ id: 1 })).toMatchObject({ email: 'ada' })
          await all.findBy({ email: 'ada' })
        }),
      'its transformer gives a value another form each time; NULL tests work',
    ),
  ],
}
