/** Runs SQL on one connection, as TypeORM's query runner does. */
export interface PlanConnection {
  query(sql: string, parameters?: unknown[]): Promise<unknown>
}

/** A node of PostgreSQL's plan, as EXPLAIN (FORMAT JSON) gives it. */
export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Filter?: string
  readonly Plans?: readonly PlanNode[]
}

/**
 * Asks PostgreSQL how it would run a statement if it had to use indexes, without running it: small
 * tables are read whole whatever indexes they have, so that sequential scans are made dear first.
 *
 * @param connection - in a transaction of its own, which is to be rolled back: a setting stays in it
 */
export async function explainStatement(
  connection: PlanConnection,
  sql: string,
  parameters: readonly unknown[],
): Promise<PlanNode> {
  await connection.query('SET LOCAL enable_seqscan = off')
  const rows = await connection.query(`EXPLAIN (FORMAT JSON) ${sql}`, [...parameters])
  const [row] = rows as [{ 'QUERY PLAN': readonly [{ Plan: PlanNode }] }]
  return row['QUERY PLAN'][0].Plan
}

/** The index that finds rows by a column; null where the plan uses none for it. */
export function servingIndex(plan: PlanNode, column: string): string | null {
  return nodesOf(plan).find((node) => mentions(node['Index Cond'], column))?.['Index Name'] ?? null
}

/** The first of the columns by which rows are filtered that no index found; null where all is well. */
export function unindexedColumn(plan: PlanNode, columns: readonly string[]): string | null {
  const scans = nodesOf(plan).filter(
    (node) => SCANS.includes(node['Node Type']) && node['Index Cond'] === undefined,
  )
  return columns.find((column) => scans.some(({ Filter }) => mentions(Filter, column))) ?? null
}

/** Nodes that read a table by themselves. A bitmap scan reads what its index conditions found. */
const SCANS = ['Seq Scan', 'Index Scan', 'Index Only Scan']

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

function mentions(condition: string | undefined, column: string): boolean {
  const name = column.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\w"])"?${name}"?(?!\\w)`).test(condition ?? '')
}
