import type { EntityManager, ObjectLiteral } from 'typeorm'
import { buildTest, nested, type Test, type Tests } from './conditions'
import type { Key } from './state'
import { renderText, type Text } from './texts'
import type { Class, Twin } from './twins'

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
      readonly op: 'save' | 'insert'
      readonly items: readonly Item[]
      readonly array: boolean
    }
  | {
      readonly op: 'qb-insert'
      readonly items: readonly Item[]
      /** ON CONFLICT with the primary key: DO NOTHING, or overwrite these properties. */
      readonly conflict?: {
        readonly keys: readonly string[]
        readonly overwrite: readonly string[]
      }
    }
  | {
      readonly op: 'change'
      readonly entity: string
      readonly key: Key
      readonly values: Item['values']
      readonly relations?: Item['relations']
      /** How the changed entity is come by. */
      readonly how: 'load' | 'load-selected' | 'plain-object' | 'preload' | 'merge'
    }
  | {
      readonly op: 'update' | 'qb-update'
      readonly entity: string
      readonly where: Where
      readonly values: Item['values']
    }
  | {
      readonly op:
        | 'delete'
        | 'qb-delete'
        | 'softDelete'
        | 'restore'
        | 'qb-softDelete'
        | 'qb-restore'
      readonly entity: string
      readonly where: Where
    }
  | { readonly op: 'remove' | 'softRemove' | 'recover'; readonly entity: string; readonly key: Key }
  | { readonly op: 'upsert'; readonly items: readonly Item[]; readonly conflict: readonly string[] }
  | {
      readonly op: 'increment' | 'decrement'
      readonly entity: string
      readonly where: Where
      readonly column: string
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
export type Where =
  | { readonly key: Key }
  | { readonly tests: Tests }
  /** For builders, whose conditions may be SQL text. */
  | { readonly text: Text }

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
      return entity && withoutNulls(await manager[verb](entity))
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
    if (write.array) return (await manager.save(made)).map(withoutNulls)
    return withoutNulls(await manager.save(made[0] as ObjectLiteral))
  }
  const values = write.items.map((item) => plainValues(item, twin))
  if (write.op === 'upsert') {
    return told(await manager.upsert(entity, values, [...write.conflict]))
  }
  if (write.op === 'insert') {
    return told(await manager.insert(entity, write.array ? values : (values[0] as object)))
  }
  const builder = manager.createQueryBuilder().insert().into(entity).values(values)
  const conflict = 'conflict' in write ? write.conflict : undefined
  if (conflict?.overwrite.length === 0) builder.orIgnore()
  else if (conflict)
    builder.orUpdate(columnsOf(entity, conflict.overwrite, manager), [...conflict.keys])
  return told(await builder.execute())
}

/** An encrypted property is overwritten with its hidden columns. */
function columnsOf(entity: Class, properties: readonly string[], manager: EntityManager): string[] {
  const names = properties.flatMap((name) => [name, `${name}_hmac`, `${name}_lofi`])
  const { columns } = manager.connection.getMetadata(entity)
  return names.filter((name) => columns.some(({ databaseName }) => databaseName === name))
}

async function runChange(
  { entity, key, values, relations = {}, how }: Extract<Write, { op: 'change' }>,
  twin: Twin,
  manager: EntityManager,
): Promise<unknown> {
  const type = twin.classOf(entity)
  const given = plainValues({ entity, values, relations }, twin)
  if (how === 'plain-object') return withoutNulls(await manager.save(type, { ...key, ...given }))
  if (how === 'preload') {
    const loaded = await manager.preload(type, { ...key, ...given })
    return loaded && withoutNulls(await manager.save(loaded))
  }
  const loaded =
    how === 'load-selected'
      ? await manager.findOne(type, { where: key, select: selectionOf({ ...key, ...given }) })
      : await load(entity, key, twin, manager)
  if (!loaded) return null
  if (how === 'merge') return withoutNulls(await manager.save(manager.merge(type, loaded, given)))
  for (const [name, value] of Object.entries(given)) {
    if (name === 'box') Object.assign(loaded.box ?? {}, value)
    else loaded[name] = value
  }
  return withoutNulls(await manager.save(loaded))
}

/**
 * After an UPDATE TypeORM shows null for nullable properties that it has not read, and would write it with
 * the next save(); of encrypted ones mortise leaves undefined what it does not know.
 */
function withoutNulls(saved: ObjectLiteral): ObjectLiteral {
  const entries = Object.entries(saved).flatMap(([name, value]) => {
    if (value === null || value === undefined) return []
    if (name !== 'box') return [[name, value]]
    const box = withoutNulls(value)
    return Object.keys(box).length > 0 ? [[name, box]] : []
  })
  return Object.fromEntries(entries)
}

/** Only what will be changed. */
function selectionOf(given: ObjectLiteral): ObjectLiteral {
  const scalars = Object.keys(given).filter((name) => !/^(link|back|box)/.test(name))
  return Object.fromEntries(scalars.map((name) => [name, true]))
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
  const builder = manager.createQueryBuilder()
  switch (write.op) {
    case 'update':
      return told(
        await manager.update(entity, criteria(write.where, twin), plainValues(write, twin)),
      )
    case 'qb-update':
      return execute(builder.update(entity).set(plainValues(write, twin)), write.where, twin)
    case 'qb-delete':
      return execute(builder.delete().from(entity), write.where, twin)
    case 'qb-softDelete':
      return execute(manager.createQueryBuilder(entity, 'e').softDelete(), write.where, twin)
    case 'qb-restore':
      return execute(manager.createQueryBuilder(entity, 'e').restore(), write.where, twin)
    case 'increment':
    case 'decrement': {
      const where = criteria(write.where, twin)
      return told(await manager[write.op](entity, where, write.column, write.by))
    }
    default:
      return told(await manager[write.op](entity, criteria(write.where, twin)))
  }
}

interface Conditional {
  where(condition: unknown, parameters?: ObjectLiteral): { execute(): Promise<ObjectLiteral> }
}

async function execute(builder: unknown, where: Where, twin: Twin): Promise<unknown> {
  const conditional = builder as Conditional
  if (!('text' in where)) return told(await conditional.where(criteria(where, twin)).execute())
  const { sql, parameters } = renderText(where.text, twin, 'w')
  return told(await conditional.where(sql, parameters).execute())
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

function criteria(where: Where, twin: Twin): ObjectLiteral {
  if ('key' in where) return where.key
  if ('text' in where) throw new RangeError('only builders take SQL text')
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
