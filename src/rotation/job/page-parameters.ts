import type { RowKey } from './key-columns'

/** One value of a row, as a statement over a page knows it. */
export interface PageParameter {
  readonly name: string
  /** PostgreSQL's; values of `bytea` travel as bytes, those of any other type in its text form. */
  readonly type: string
}

/** A row of a page: its key, and the values of all parameters in order; null for NULL. */
export interface ParameterRow {
  readonly key: RowKey
  readonly parameters: readonly (string | Uint8Array | null)[]
}

/** How the rows of a page reach a statement, with a number of parameters that does not depend on them. */
export interface PageParameters {
  /** A SELECT of `k1`… as text, and of the parameters by their names. */
  readonly sql: string
  values(rows: readonly ParameterRow[]): unknown[]
}

/**
 * An array for each column of the key and each parameter. The values of `bytea` are one parameter, one
 * behind the other, with two arrays of where they begin and how long they are: drivers send bytes as they
 * are, but arrays of them as text, two digits for each byte that this process writes and the database
 * reads.
 *
 * @param keyColumns - how many columns the primary key has
 */
export function pageParameters(
  keyColumns: number,
  parameters: readonly PageParameter[],
): PageParameters {
  const keys = Array.from({ length: keyColumns }, (_, i) => `k${i + 1}`)
  const given = [...keys.map(textArray), ...parameters.flatMap(arraysOf)]
  const values = parameters.map(({ name, type }) => {
    if (type !== 'bytea') return `u.${name}::${type} AS ${name}`
    return `substring(packed.bytes from u.${name}_start for u.${name}_length) AS ${name}`
  })
  const hasBytes = parameters.some(({ type }) => type === 'bytea')
  return {
    sql: `SELECT ${[...keys, ...values].join(', ')}
      FROM unnest(${given.map(({ type }, i) => `$${i + 1}::${type}[]`).join(', ')})
        AS u(${given.map(({ name }) => name).join(', ')})${hasBytes ? packedAt(given.length + 1) : ''}`,
    values: (rows) => {
      const packed = packedBytes()
      const arrays = parameters.flatMap(({ type }, at): unknown[] => {
        const ofColumn = rows.map((row) => row.parameters[at] ?? null)
        return type === 'bytea' ? packed.add(ofColumn as (Uint8Array | null)[]) : [ofColumn]
      })
      return [...keys.map((_, i) => rows.map(({ key }) => key[i])), ...arrays, ...packed.all()]
    },
  }
}

/**
 * Names the parameter once: PostgreSQL copies its value, which is most of the page, several times for each
 * place in the statement that names it.
 */
function packedAt(parameter: number): string {
  return `, (SELECT $${parameter}::bytea AS bytes OFFSET 0) AS packed`
}

function textArray(name: string): PageParameter {
  return { name, type: 'text' }
}

function arraysOf({ name, type }: PageParameter): PageParameter[] {
  if (type !== 'bytea') return [textArray(name)]
  return ['start', 'length'].map((part) => ({ name: `${name}_${part}`, type: 'integer' }))
}

interface PackedBytes {
  /** @returns two arrays in PostgreSQL's text form: where each value begins, from 1 on, and its length */
  add(values: readonly (Uint8Array | null)[]): string[]
  /** All values that were added, one behind the other; nothing where no column of them was. */
  all(): Buffer[]
}

/** Columns of a row that have one object as their value share its bytes. */
function packedBytes(): PackedBytes {
  const parts: Uint8Array[] = []
  const columns: { values: readonly (Uint8Array | null)[]; starts: (number | 'NULL')[] }[] = []
  let length = 0
  return {
    add: (values) => {
      const starts = values.map((value, row) => {
        if (value === null) return 'NULL'
        const shared = columns.find((column) => column.values[row] === value)
        if (shared) return shared.starts[row] as number
        parts.push(value)
        length += value.length
        return length - value.length + 1
      })
      columns.push({ values, starts })
      return [`{${starts.join()}}`, `{${values.map((value) => value?.length ?? 'NULL').join()}}`]
    },
    all: () => (columns.length === 0 ? [] : [Buffer.concat(parts, length)]),
  }
}
