import type { ObjectLiteral } from 'typeorm'
import { canonical } from './compare'
import { type EntityShape, type Graph, keysOf, pathsOf, propertyNames } from './graph'
import type { Twin } from './twins'

export type Key = Readonly<Record<string, unknown>>

/** Every row of a twin, by entity, with every property and the ids of its relations. */
export type State = Readonly<Record<string, readonly ObjectLiteral[]>>

export async function stateOf(graph: Graph, twin: Twin): Promise<State> {
  const entries: [string, ObjectLiteral[]][] = []
  for (const shape of graph.entities) entries.push([shape.name, await rowsOf(twin, shape)])
  return canonical(Object.fromEntries(entries), propertyNames(graph)) as State
}

/** As this twin gives them. */
export async function rowsOf(twin: Twin, shape: EntityShape): Promise<ObjectLiteral[]> {
  const builder = twin.dataSource.getRepository(twin.classOf(shape.name)).createQueryBuilder('e')
  for (const [path, { select }] of pathsOf(shape)) if (!select) builder.addSelect(`e.${path}`)
  builder.withDeleted().loadAllRelationIds()
  return builder.getMany()
}

export function keyOf(shape: EntityShape, row: ObjectLiteral): Key {
  return Object.fromEntries(keysOf(shape).map((name) => [name, row[name]]))
}

/**
 * Rows of the encrypted twin whose hidden columns do not follow their property: NULL where the value is,
 * and nowhere else.
 */
export async function strayIndexes(twin: Twin): Promise<string[]> {
  const { dataSource, schema } = twin
  const columns = (await dataSource.query(
    `SELECT m.table_name AS "table", m.column_name AS main, h.column_name AS hidden
       FROM information_schema.columns m JOIN information_schema.columns h
         ON h.table_schema = m.table_schema AND h.table_name = m.table_name
        AND h.column_name IN (m.column_name || '_hmac', m.column_name || '_lofi')
      WHERE m.table_schema = $1`,
    [schema],
  )) as { table: string; main: string; hidden: string }[]
  const stray: string[] = []
  for (const { table, main, hidden } of columns) {
    const [{ count }] = await dataSource.query(
      `SELECT count(*)::int AS count FROM "${schema}"."${table}" WHERE ("${main}" IS NULL) <> ("${hidden}" IS NULL)`,
    )
    if (count > 0) stray.push(`${table}.${hidden}: ${count}`)
  }
  return stray
}
