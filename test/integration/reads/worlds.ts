import { DataSource, type DataSourceOptions } from 'typeorm'
import { createDatabase } from '../../database'
import { setUp } from '../people'
import { type Declare, defineEntities, type Entities, plain } from './entities'

/** One of two databases with the same rows: the encrypted one, or its twin in clear. */
export interface World {
  readonly dataSource: DataSource
  readonly entities: Entities
}

export interface Worlds {
  readonly sealed: World
  readonly clear: World
  close(): Promise<void>
}

export async function createWorlds(
  declare: Declare,
  options: Partial<DataSourceOptions> = {},
): Promise<Worlds> {
  const databases = [await createDatabase(), await createDatabase()] as const
  const sealedEntities = defineEntities(declare)
  const clearEntities = defineEntities(plain)
  const { dataSource } = await setUp(
    databases[0].url,
    Object.values(sealedEntities) as never,
    options as never,
  )
  const twin = new DataSource({
    ...{ type: 'postgres', url: databases[1].url, synchronize: true },
    entities: Object.values(clearEntities) as never,
    ...options,
  } as DataSourceOptions)
  await twin.initialize()
  const sealed = { dataSource, entities: sealedEntities }
  const clear = { dataSource: twin, entities: clearEntities }
  for (const world of [sealed, clear]) await fill(world)
  return {
    sealed,
    clear,
    async close() {
      await dataSource.destroy()
      await twin.destroy()
      for (const database of databases) await database.drop()
    },
  }
}

const SURNAMES = ['Abel', 'Abraham', null, 'Adams', 'Baker', 'Abel', 'Cain', 'Ab']

async function fill({ dataSource, entities }: World): Promise<void> {
  const { manager } = dataSource
  const save = (entity: keyof Entities, rows: object[]) =>
    manager.getRepository(entities[entity] as never).save(rows as never)
  const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
  await save(
    'Card',
    range(3).map((id) => ({ id, number: `c${id}` })),
  )
  await save(
    'Tag',
    range(3).map((id) => ({ id, label: `tag${id}` })),
  )
  await save(
    'Club',
    range(2).map((id) => ({ id, title: `club${id}` })),
  )
  await save(
    'Person',
    range(8).map((id) => ({
      ...{ id, ward: id % 2 ? 'A' : 'B', email: `p${id}@x.org`, hidden: id % 3 ? `h${id}` : null },
      ...{ income: id === 5 ? null : id * 3, surname: SURNAMES[id - 1], chart: { a: [`${id}`] } },
      address: { city: 'Ulm', street: `Street ${id % 3}`, geo: { lat: id / 2, zone: 'z' } },
      work: { city: null, street: id === 4 ? null : `Work ${id}`, geo: { lat: null, zone: null } },
      boss: id > 1 ? { id: Math.floor(id / 2) } : null,
      tags: range(id % 4).map((tag) => ({ id: tag })),
      card: id < 4 ? { id } : null,
      theClubThatThisPersonWouldLikeBestOfAllTheClubsInTown: { id: (id % 2) + 1 },
    })),
  )
  await save(
    'Pet',
    range(10).map((id) => ({
      ...{ id, name: `pet${id % 4}`, weight: id === 7 ? null : id },
      owner: id === 10 ? null : { id: (id % 5) + 1 },
    })),
  )
  await save(
    'Memo',
    range(4).map((id) => {
      const memo = dataSource.getRepository(entities.Memo).create({ id, text: `memo${id}` })
      memo.person = Promise.resolve({ id: (id % 2) + 1 })
      return memo
    }),
  )
  const memberships = range(8).flatMap((personId) =>
    range(2).map((clubId) => ({ personId, clubId })),
  )
  await save(
    'Membership',
    memberships.map(({ personId, clubId }) => ({
      ...{ personId, clubId, role: `role${(personId + clubId) % 3}`, fee: personId * clubId * 2 },
    })),
  )
  await save(
    'Cat',
    [1, 2].map((id) => ({ id, name: `n${id}`, claws: id * 4, chip: `chip${id}` })),
  )
  await save(
    'Dog',
    [3, 4].map((id) => ({
      id,
      name: `n${id}`,
      bark: `b${id}`,
      chip: `chip${id}`,
      keeper: { id: 1 },
    })),
  )
  await save('Animal', [{ id: 5, name: 'n1' }])
  await save(
    'Left',
    range(3).map((id) => ({ id, secret: `s${id}`, own: id * 4 })),
  )
  await save(
    'Right',
    range(3).map((id) => ({ id, secret: `s${id}`, plain: id })),
  )
  await save(
    'Ranked',
    range(6).map((id) => ({
      id,
      rank: (id * 7) % 20,
      label: `l${id % 2}`,
      upper: id > 2 ? { id: (id % 2) + 1 } : null,
    })),
  )
  for (const kind of ['Closure', 'Path', 'Nested'] as const) {
    for (const id of range(5)) {
      const parent = id > 1 ? { id: Math.floor(id / 2) } : null
      await save(kind, [{ id, name: `n${id}`, size: id * 4, parent }])
    }
  }
  await manager.softDelete(entities.Person, 8)
}

/** What two worlds can be compared by: entities of different classes become plain objects. */
export async function bare(value: unknown): Promise<unknown> {
  const awaited = await value
  if (Array.isArray(awaited)) return Promise.all(awaited.map(bare))
  if (awaited === null || typeof awaited !== 'object') return awaited
  if (awaited instanceof Date) return 'a date'
  const kind = awaited.constructor?.name
  const keys = Object.keys(awaited).filter((key) => !/^__(has|promise)_/.test(key))
  const entries = await Promise.all(
    keys.map(async (key) => [key, await bare((awaited as Record<string, unknown>)[key])] as const),
  )
  return { ...(kind === 'Object' ? {} : { 'the class': kind }), ...Object.fromEntries(entries) }
}
