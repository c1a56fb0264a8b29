import type { EntityMetadata } from 'typeorm'
import { encryptedColumnsOf } from './encrypted-column'
import { type Alias, dataSourceOfMetadata } from './internals'
import { noteViolation } from './unique-violation'

/** `detail` of a unique violation: `Key (email_hmac)=(\x01…) already exists.` */
const KEY_DETAIL = /^Key \((.*?)\)=\(.*\)(.*)$/s
/** `detail` of a NOT NULL or CHECK violation: `Failing row contains (1, \xe1…, 40000).` */
const ROW_DETAIL = /^Failing row contains /
const ROW_HIDDEN = 'The failing row is not shown: it holds encrypted values'
const SEALED_TEXT = /^mrt1\./

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
    if (encryptedColumnsOf(metadata).length > 0) redactParameters(current)
    current = current.driverError
  }
  return error
}

function redactDetail(error: Record<string, unknown>, metadata: EntityMetadata): void {
  if (isOfOther(error, metadata)) return
  if (ROW_DETAIL.test(String(error.detail)) && error.table === metadata.tableName) {
    if (encryptedColumnsOf(metadata).length > 0) error.detail = ROW_HIDDEN
    return
  }
  const match = typeof error.detail === 'string' ? KEY_DETAIL.exec(error.detail) : null
  if (!match) return
  const columns = (match[1] as string).split(', ').map((name) => name.replaceAll('"', ''))
  const properties = encryptedColumnsOf(metadata)
    .filter(({ main, hmac, lofi }) =>
      [main, hmac, lofi].some((column) => column && columns.includes(column.databaseName)),
    )
    .map(({ field }) => field.name)
  if (properties.length === 0) return
  error.detail = `Key (${match[1]}) of encrypted ${properties.join(', ')}${match[2]}`
  const constraint = typeof error.constraint === 'string' ? error.constraint : undefined
  if (error.code === '23505') noteViolation(error, { properties, constraint })
}

/** Parameters of a statement on encrypted columns: envelopes and tokens stay out, the others are shown. */
function redactParameters(error: Record<string, unknown>): void {
  const { parameters } = error
  if (!Array.isArray(parameters)) return
  error.parameters = parameters.map((value: unknown) =>
    value instanceof Uint8Array || (typeof value === 'string' && SEALED_TEXT.test(value))
      ? '[encrypted]'
      : value,
  )
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
