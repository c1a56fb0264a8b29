import type { Query } from '../key-store/store'
import { type EncryptedSchema, schemaOf } from '../schema'
import { plaintextForms } from './plaintext-forms'

/** A column that may hold a leak: of a table, or of what the server tells about statements. */
interface Place {
  readonly name: string
  readonly table: string
  /** SQL for its text. */
  readonly text: string
  readonly isBytes: boolean
}

/** What the server remembers of statements in this database. Those of this file ask by parameters. */
const STATEMENTS: Readonly<Record<string, string>> = {
  pg_stat_activity: 'SELECT query FROM pg_stat_activity WHERE datname = current_database()',
  pg_stat_statements:
    'SELECT query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid ' +
    'WHERE d.datname = current_database()',
}

/**
 * Proves that a database holds no plaintext: every encrypted column holds envelopes, and none of the
 * given values is in any column of any table of the database, in `pg_stat_activity` or in
 * `pg_stat_statements`, be it as text, hex, base64 or the bytes of JSON, in upper or lower case.
 *
 * Reads all tables once for each spelling of each value: for the small databases of tests. The
 * low-fidelity columns of encrypted properties are left out, since they hold a part in clear. Compressed
 * or hashed values are not recognised.
 *
 * @param dataSource - encrypted and initialized
 * @param plaintexts - values that were written, of any type and unlikely enough to be told from chance:
 *   6 characters at least; of an object, the values in it
 * @throws Error naming the columns, and the plaintexts by their index only
 * @throws ERR_CONFIG where the DataSource is not encrypted, or a plaintext is too short
 */
export async function expectNoPlaintext(
  dataSource: object,
  plaintexts: readonly unknown[] = [],
): Promise<void> {
  const schema = schemaOf(dataSource)
  const forms = plaintexts.map(plaintextForms)
  const findings = await unsealedColumns(schema)
  for (const place of await placesOf(schema)) {
    for (const index of await found(schema.query, place, forms)) {
      findings.push(`${place.name} holds plaintext ${index}`)
    }
  }
  if (findings.length > 0) throw new Error(`the database holds plaintext: ${findings.join('; ')}`)
}

async function unsealedColumns({ tables, query }: EncryptedSchema): Promise<string[]> {
  const findings: string[] = []
  for (const { schema, name, columns } of tables) {
    const table = schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`
    for (const { column, field, form } of columns) {
      const start = form === 'text' ? `left(${quote(column)}, 5)` : `get_byte(${quote(column)}, 0)`
      const sealed = form === 'text' ? `'mrt1.'` : `225`
      const filled = form === 'text' ? `${quote(column)} <> ''` : `length(${quote(column)}) > 0`
      const rows = await query(
        `SELECT 1 FROM ${table} WHERE ${quote(column)} IS NOT NULL AND ` +
          `CASE WHEN ${filled} THEN ${start} <> ${sealed} ELSE true END LIMIT 1`,
        [],
      )
      if (rows.length > 0)
        findings.push(`${name}.${column} (${field}) holds a value without envelope`)
    }
  }
  return findings
}

/** Every column of every table, but for buckets, and the statements that the server remembers. */
async function placesOf({ tables, query }: EncryptedSchema): Promise<Place[]> {
  const rows = await query(
    `SELECT n.nspname AS "schema", c.relname AS "table", a.attname AS "column",
            a.atttypid = 'bytea'::regtype AS "isBytes"
       FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.relkind IN ('r', 'm')
        AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      ORDER BY 1, 2, a.attnum`,
    [],
  )
  const buckets = new Set(
    tables.flatMap(({ name, columns }) =>
      columns.flatMap(({ indexColumns }) => indexColumns.map((column) => `${name}.${column}`)),
    ),
  )
  const places = rows.map((row) => {
    const { schema, table, column, isBytes } = row as Record<
      'schema' | 'table' | 'column',
      string
    > & { isBytes: boolean }
    const text = isBytes ? `encode(${quote(column)}, 'hex')` : `${quote(column)}::text`
    return { name: `${table}.${column}`, table: `${quote(schema)}.${quote(table)}`, text, isBytes }
  })
  const statements = await query(
    `SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL`,
    [Object.keys(STATEMENTS)],
  )
  return [
    ...places.filter(({ name, isBytes }) => isBytes || !buckets.has(name)),
    ...statements.map(({ name }) => ({
      ...{ name: `${name}.query`, table: `(${STATEMENTS[String(name)]}) AS statements` },
      ...{ text: 'query', isBytes: false },
    })),
  ]
}

/** The indexes of the plaintexts that a column holds. */
async function found(
  query: Query,
  { table, text, isBytes }: Place,
  plaintexts: readonly (readonly string[])[],
): Promise<number[]> {
  if (plaintexts.length === 0) return []
  const forms = plaintexts.flatMap((one, index) =>
    one.map((form) => ({ index, form: isBytes ? Buffer.from(form).toString('hex') : form })),
  )
  const rows = await query(
    `SELECT DISTINCT f.plaintext FROM unnest($1::text[], $2::int[]) AS f(form, plaintext)
      WHERE EXISTS (SELECT FROM ${table} WHERE strpos(lower(${text}), lower(f.form)) > 0)
      ORDER BY 1`,
    [forms.map(({ form }) => form), forms.map(({ index }) => index)],
  )
  return rows.map(({ plaintext }) => Number(plaintext))
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
