import { explainStatement, unindexedColumn } from '../query-plan'
import { type EncryptedTable, schemaOf } from '../schema'

/** What {@link expectIndexed} needs of a DataSource; TypeORM's has it. */
export interface ObservedDataSource {
  readonly subscribers: object[]
  createQueryRunner(): ObservedRunner
}

interface ObservedRunner {
  query(sql: string, parameters?: unknown[]): Promise<unknown>
  startTransaction(): Promise<void>
  rollbackTransaction(): Promise<void>
  release(): Promise<void>
}

interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/**
 * Runs a part of a test, and fails it where a statement looked for rows by the index columns of an
 * encrypted property and no SQL index served it: fast on the rows of a test, slow on those of production.
 *
 * Statements are explained when the part has ended, in a transaction that is rolled back, with
 * sequential scans made dear, so that the size of the tables does not matter.
 *
 * @param dataSource - an initialized DataSource with `withEncryption`
 * @param run - the finders to observe
 * @returns what `run` gave
 * @throws Error naming the property, its column and the statement, without values
 * @throws ERR_CONFIG where the DataSource is not encrypted, and whatever `run` throws
 */
export async function expectIndexed<T>(
  dataSource: ObservedDataSource,
  run: () => Promise<T>,
): Promise<T> {
  const { tables } = schemaOf(dataSource)
  const statements: Statement[] = []
  const observer = {
    afterQuery({ query, parameters = [] }: { query: string; parameters?: unknown[] }) {
      if (asksIndexColumn(query, tables)) statements.push({ sql: query, parameters })
    },
  }
  dataSource.subscribers.push(observer)
  let result: T
  try {
    result = await run()
  } finally {
    dataSource.subscribers.splice(dataSource.subscribers.indexOf(observer), 1)
  }
  for (const statement of statements) await explainOne(dataSource, statement, tables)
  return result
}

const CONDITION = /^\s*(?:SELECT|WITH|UPDATE|DELETE)\b[\s\S]*?\b(?:WHERE|ON|HAVING)\b/i

function asksIndexColumn(sql: string, tables: readonly EncryptedTable[]): boolean {
  return CONDITION.test(sql) && indexColumns(tables).some(({ name }) => sql.includes(`"${name}"`))
}

function indexColumns(tables: readonly EncryptedTable[]): { name: string; field: string }[] {
  return tables.flatMap(({ columns }) =>
    columns.flatMap(({ field, indexColumns: names }) => names.map((name) => ({ name, field }))),
  )
}

async function explainOne(
  dataSource: ObservedDataSource,
  { sql, parameters }: Statement,
  tables: readonly EncryptedTable[],
): Promise<void> {
  const columns = indexColumns(tables)
  const runner = dataSource.createQueryRunner()
  await runner.startTransaction()
  try {
    const plan = await explainStatement(runner, sql, parameters)
    const name = unindexedColumn(
      plan,
      columns.map((column) => column.name),
    )
    if (name === null) return
    const property = columns.find((column) => column.name === name)?.field
    throw new Error(
      `${property}: no SQL index serves the condition on ${name}; add one, or drop the condition: ${sql}`,
    )
  } finally {
    await runner.rollbackTransaction()
    await runner.release()
  }
}
