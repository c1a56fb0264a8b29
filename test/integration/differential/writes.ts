import type { EntityManager, ObjectLiteral } from 'typeorm'
import { buildTest, nested, type Test, type Tests } from './conditions'
import type { Key } from './state'
import type { Twin } from './twins'

/** An entity to be written: properties by path, and related entities. */
export interface Item {
  readonly entity: string
  readonly child?: boolean
  readonly values: Readonly<Record<string, unknown>>
  readonly relations?: Readonly<Record<string, Item | readonly Item[] | null>>
}

/** One call of one entry point, as data. */
export type Write =
  | {
      readonly op: 'save' | 'insert' | 'qb-insert'
      readonly items: readonly Item[]
      readonly array: boolean
    }
  | {
      readonly op: 'change'
      readonly entity: string
      readonly key: Key
      readonly values: Item['values']
      readonly relations?: Item['relations']
      readonly merge: boolean
    }
  | {
      readonly op: 'update' | 'qb-update'
      readonly entity: string
      readonly where: Where
      readonly values: Item['values']
    }
  | {
      readonly op: 'delete' | 'qb-delete' | 'softDelete' | 'restore'
      readonly entity: string
      readonly where: Where
    }
  | { readonly op: 'remove' | 'softRemove' | 'recover'; readonly entity: string; readonly key: Key }
  | { readonly op: 'upsert'; readonly items: readonly Item[]; readonly conflict: readonly string[] }
  | {
      readonly op: 'increment' | 'decrement'
      readonly entity: string
      readonly where: Where
      readonly by: number
    }
  | {
      readonly op: 'relation'
      readonly entity: string
      readonly relation: string
      readonly verb: 'set' | 'add' | 'remove'
      readonly key: Key
      readonly target: Key | null
    }
  | { readonly op: 'transaction'; readonly writes: readonly Write[]; readonly rollback: boolean }

/** Rows by key, or by conditions. */
export type Where = { readonly key: Key } | { readonly tests: Tests }

class Rollback extends Error {}

/** Runs a write and gives what TypeORM tells of it. */
export async function runWrite(write: Write, twin: Twin, manager: EntityManager): Promise<unknown> {
  switch (write.op) {
    case 'transaction':
      return runTransaction(write, twin, manager)
    case 'save':
    case 'insert':
    case 'qb-insert':
    case 'upsert':
      return runInsertion(write, twin, manager)
    case 'change':
      return runChange(write, twin, manager)
    case 'remove':
    case 'softRemove':
    case 'recover': {
      const entity = await load(write.entity, write.key, twin, manager)
      const verb = write.op as 'remove'
      return entity && manager[verb](entity)
    }
    case 'relation':
      return runRelation(write, twin, manager)
    default:
      return runStatement(write, twin, manager)
  }
}

async function runTransaction(
  { writes, rollback }: Extract<Write, { op: 'transaction' }>,
  twin: Twin,
  manager: EntityManager,
): Promise<unknown> {
  const results: unknown[] = []
  try {
    await manager.transaction(async (inner) => {
      for (const write of writes) results.push(await runWrite(write, twin, inner))
      if (rollback) throw new Rollback()
    })
  } catch (error) {
    if (!(error instanceof Rollback)) throw error
  }
  return results
}

async function runInsertion(
  write: Extract<Write, { op: 'save' | 'insert' | 'qb-insert' | 'upsert' }>,
  twin: Twin,
  manager: EntityManager,
): Promise<unknown> {
  const [first] = write.items as [Item]
  const entity = twin.classOf(first.entity, first.child)
  if (write.op === 'save') {
    const made = write.items.map((item) => makeEntity(item, twin))
    return write.array ? manager.save(made) : manager.save(made[0] as ObjectLiteral)
  }
  const values = write.items.map((item) => plainValues(item, twin))
  if (write.op === 'upsert') {
    return told(await manager.upsert(entity, values, [...write.conflict]))
  }
  if (write.op === 'insert')
    return told(await manager.insert(entity, write.array ? values : (values[0] as object)))
  return told(await manager.createQueryBuilder().insert().into(entity).values(values).execute())
}

async function runChange(
  { entity, key, values, relations = {}, merge }: Extract<Write, { op: 'change' }>,
  twin: Twin,
  manager: EntityManager,
): Promise<unknown> {
  const given = plainValues({ entity, values, relations }, twin)
  if (!merge) return manager.save(twin.classOf(entity), { ...key, ...given })
  const loaded = await load(entity, key, twin, manager)
  if (!loaded) return null
  for (const [name, value] of Object.entries(given)) {
    if (name === 'box') Object.assign(loaded.box ?? {}, value)
    else loaded[name] = value
  }
  return manager.save(loaded)
}

async function runRelation(
  { entity, relation, verb, key, target }: Extract<Write, { op: 'relation' }>,
  twin: Twin,
  manager: EntityManager,
): Promise<unknown> {
  const builder = manager.createQueryBuilder().relation(twin.classOf(entity), relation).of(key)
  return builder[verb](target)
}

async function runStatement(
  write: Extract<Write, { where: Where }>,
  twin: Twin,
  manager: EntityManager,
): Promise<unknown> {
  const entity = twin.classOf(write.entity)
  const where = buildWhere(write.where, twin)
  switch (write.op) {
    case 'update':
      return told(await manager.update(entity, where, plainValues(write, twin)))
    case 'qb-update':
      return told(
        await manager
          .createQueryBuilder()
          .update(entity)
          .set(plainValues(write, twin))
          .where(where)
          .execute(),
      )
    case 'qb-delete':
      return told(await manager.createQueryBuilder().delete().from(entity).where(where).execute())
    case 'increment':
    case 'decrement':
      return told(await manager[write.op](entity, where, 'counter', write.by))
    default:
      return told(await manager[write.op](entity, where))
  }
}

async function load(
  entity: string,
  key: Key,
  twin: Twin,
  manager: EntityManager,
): Promise<ObjectLiteral | null> {
  return manager.findOne(twin.classOf(entity), { where: key, withDeleted: true })
}

/** What a result says, but for raw rows, which hold envelopes. */
function told(result: ObjectLiteral): unknown {
  const { raw: _raw, ...rest } = result
  return rest
}

function buildWhere(where: Where, twin: Twin): ObjectLiteral {
  if ('key' in where) return where.key
  return nested(
    Object.fromEntries(
      Object.entries(where.tests).map(([path, test]) => [path, testFor(path, test, twin)]),
    ),
  )
}

export function testFor(path: string, test: Test, twin: Twin): unknown {
  return buildTest(test, (value) => twin.valueOf(nameIn(path), value))
}

/** The property's own name at the end of a path. */
export function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1)
}

/** An instance, as an application would create it. */
function makeEntity(item: Item, twin: Twin): ObjectLiteral {
  return Object.assign(
    new (twin.classOf(item.entity, item.child))(),
    ownValues(item, twin),
    relationsOf(item, twin, makeEntity),
  )
}

function plainValues(item: Item, twin: Twin): ObjectLiteral {
  return { ...ownValues(item, twin), ...relationsOf(item, twin, plainValues) }
}

function ownValues({ values }: Pick<Item, 'values'>, twin: Twin): ObjectLiteral {
  return nested(
    Object.fromEntries(
      Object.entries(values).map(([path, value]) => [path, twin.valueOf(nameIn(path), value)]),
    ),
  )
}

function relationsOf(
  { relations = {} }: Pick<Item, 'relations'>,
  twin: Twin,
  make: (item: Item, twin: Twin) => ObjectLiteral,
): ObjectLiteral {
  return Object.fromEntries(
    Object.entries(relations).map(([name, related]) => {
      if (related === null) return [name, null]
      return [
        name,
        'values' in related
          ? make(related as Item, twin)
          : (related as readonly Item[]).map((one) => make(one, twin)),
      ]
    }),
  )
}
