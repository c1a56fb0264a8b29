import type { EntityMetadata } from 'typeorm'
import { hiddenColumnsOf, sealedColumnsOf } from './encrypted-column'
import { type Alias, dataSourceOfMetadata } from './internals'
import { noteViolation } from './unique-violation'

/** PostgreSQL's codes; the texts that go with them are in the language of the server. */
const UNIQUE_VIOLATION = '23505'
const FOREIGN_KEY_VIOLATION = '23503'
/** `Key (email_hmac)=(\x01…) already exists.`, or the like. */
const KEY_COLUMNS = /\((.*?)\)=\(/s
const HIDDEN = 'It is not shown: the table holds encrypted values'

/**
 * Cuts tokens, buckets and envelopes out of a database error and names the property instead. The error
 * keeps its class and identity, so that applications go on recognising it.
 *
 * @returns the same error
 */
export function redactQueryError(error: unknown, alias: Alias | undefined): unknown {
  if (!alias?.hasMetadata || !isObject(error)) return error
  const { metadata } = alias
  const seen = new Set<object>()
  for (let current: unknown = error; isObject(current) && !seen.has(current); ) {
    seen.add(current)
    redactDetail(current, metadata)
    current = current.driverError
  }
  return error
}

function redactDetail(error: Record<string, unknown>, metadata: EntityMetadata): void {
  const { code, detail } = error
  const encrypted = sealedColumnsOf(metadata)
  const isIntegrity = typeof code === 'string' && code.startsWith('23')
  if (!isIntegrity || typeof detail !== 'string' || encrypted.length === 0) return
  if (code === FOREIGN_KEY_VIOLATION || isOfOther(error, metadata)) return
  if (code !== UNIQUE_VIOLATION) {
    error.detail = HIDDEN
    return
  }
  const columns = keyColumns(error, detail, metadata)
  const properties = encrypted
    .filter((column) =>
      [column.property, ...hiddenColumnsOf(column)].some(({ databaseName }) =>
        columns.includes(databaseName),
      ),
    )
    .map(({ field }) => field.name)
  if (properties.length === 0) return
  error.detail = `Key (${columns.join(', ')}) of encrypted ${properties.join(', ')} already exists.`
  const constraint = typeof error.constraint === 'string' ? error.constraint : undefined
  noteViolation(error, { properties, constraint })
}

/** By the constraint's name; one that the application's metadata lacks is read off the detail. */
function keyColumns(
  { constraint }: Record<string, unknown>,
  detail: string,
  { indices, uniques }: EntityMetadata,
): string[] {
  const named = [...uniques, ...indices].find(({ name }) => name === constraint)
  if (named) return named.columns.map(({ databaseName }) => databaseName)
  const text = KEY_COLUMNS.exec(detail)?.[1] ?? ''
  return text.split(', ').map((name) => name.replaceAll('"', ''))
}

/**
 * Whether the error is about the table of another entity, whose columns may have the same names. A
 * table of none may be a partition of this one.
 */
function isOfOther({ schema, table }: Record<string, unknown>, metadata: EntityMetadata): boolean {
  const isTable = (one: EntityMetadata) =>
    one.tableName === table && (one.schema === undefined || one.schema === schema)
  return !isTable(metadata) && dataSourceOfMetadata(metadata).entityMetadatas.some(isTable)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
