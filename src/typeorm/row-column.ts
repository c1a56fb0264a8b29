import type { EntityMetadata } from 'typeorm'
import { encodeRowId, type RowIdKind } from '../envelope/row-id'
import { MortiseError } from '../errors'
import { markOf } from './declaration'
import { looseCollation } from './exact-spelling'
import { type ColumnMetadata, dataSourceOfMetadata } from './internals'

/** The primary key that the values of a row-bound property are sealed with. */
export interface RowColumn {
  /** `Entity.property`, for errors. */
  readonly name: string
  readonly column: ColumnMetadata
  readonly kind: RowIdKind
}

/** Types whose values come back from the database as they were given. */
const KINDS: ReadonlyMap<string, RowIdKind> = new Map<string, RowIdKind>([
  ['uuid', 'uuid'],
  ['smallint', 'integer'],
  ['integer', 'integer'],
  ['bigint', 'integer'],
  ['text', 'text'],
  ['character varying', 'text'],
])

/**
 * Finds and checks the primary key behind the option `bindRow`.
 *
 * @param field - `Entity.property` of the encrypted property
 * @throws ERR_FIELD_INVALID naming what is wrong with the key, and the fix
 */
export function findRowColumn(metadata: EntityMetadata, field: string): RowColumn {
  const [column, ...others] = metadata.primaryColumns
  if (!column || others.length > 0) {
    throw invalid(field, 'needs an entity with exactly one primary column')
  }
  const name = `${metadata.targetName}.${column.propertyPath}`
  const problem = roleOf(column)
  if (problem)
    throw invalid(field, `needs a primary key that the application makes: ${name} ${problem}`)
  const type = dataSourceOfMetadata(metadata).driver.normalizeType(column)
  const kind = column.isArray ? undefined : KINDS.get(type)
  if (!kind) {
    throw invalid(field, `needs a primary key of type uuid, integer or text: ${name} is ${type}`)
  }
  // PostgreSQL cuts trailing spaces off to make a value fit.
  if (type === 'character varying' && column.length) {
    throw invalid(field, `needs a primary key that is stored as it is given: make ${name} text`)
  }
  const loose = looseCollation(column)
  if (loose)
    throw invalid(field, `needs a primary key that is found as it is given: ${name} ${loose}`)
  return { name, column, kind }
}

/** Why the key is not known, or not the one that is stored, when the values are sealed. */
function roleOf(column: ColumnMetadata): string | undefined {
  if (column.isGenerated || column.generatedType || column.default !== undefined) {
    return (
      'is made by the database, after the values were sealed; use @PrimaryColumn and set it in the ' +
      'class, for example to crypto.randomUUID()'
    )
  }
  if (column.relationMetadata || column.referencedColumn) return 'belongs to a relation'
  if (column.transformer || markOf(column.transformer)) {
    return 'has a transformer, so that its stored value is another one'
  }
  return column.isVirtualProperty ? 'is computed in the query' : undefined
}

function invalid(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_FIELD_INVALID', `${field}: bindRow ${problem}`, { field })
}

/**
 * The row id in the AAD of a value.
 *
 * @returns null for no key, and for an SQL expression, whose value nobody knows yet
 * @throws ERR_VALUE_INVALID for a key that the column would store in another spelling
 */
export function rowIdOf({ name, kind }: RowColumn, value: unknown): Buffer | null {
  if (value === null || value === undefined || typeof value === 'function') return null
  return encodeRowId(kind, value, name)
}
