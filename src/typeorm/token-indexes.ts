import type { EntityMetadata } from 'typeorm'
import { FULL_BITS } from '../blind-index/token'
import { MortiseError } from '../errors'
import type { EncryptedColumn } from './encrypted-column'
import { type ColumnMetadata, dataSourceOfMetadata } from './internals'
import { is, isName, tokenize } from './sql/tokens'

type IndexMetadata = EntityMetadata['indices'][number]
type UniqueMetadata = EntityMetadata['uniques'][number]

/**
 * Puts the token column in the place of an encrypted property that the application's own indexes and
 * unique constraints name: on envelopes, an index would find nothing and a constraint hold always.
 *
 * @throws ERR_FIELD_INVALID where the property has no token that could take its place
 */
export function indexTokens(metadata: EntityMetadata, columns: readonly EncryptedColumn[]): void {
  const { namingStrategy } = dataSourceOfMetadata(metadata)
  for (const index of metadata.indices) {
    checkPredicate(index, columns)
    if (!replaceColumns(index, columns, index.isUnique, isPlainIndex(index))) continue
    index.name =
      index.givenName ??
      namingStrategy.indexName(metadata.tableName, namesOf(index.columns), index.where)
  }
  for (const unique of metadata.uniques) {
    if (!replaceColumns(unique, columns, true, true)) continue
    unique.name =
      unique.givenName ??
      namingStrategy.uniqueConstraintName(metadata.tableName, namesOf(unique.columns))
  }
}

function isPlainIndex({ isSpatial, isFulltext }: IndexMetadata): boolean {
  return !isSpatial && !isFulltext
}

function namesOf(columns: readonly ColumnMetadata[]): string[] {
  return columns.map(({ databaseName }) => databaseName)
}

/** @returns whether anything was replaced */
function replaceColumns(
  index: IndexMetadata | UniqueMetadata,
  encrypted: readonly EncryptedColumn[],
  unique: boolean,
  plain: boolean,
): boolean {
  const replaced = index.columns.map((column) => {
    const named = encrypted.find(({ main }) => main === column)
    return named ? tokenColumn(named, unique, plain) : column
  })
  if (replaced.every((column, place) => column === index.columns[place])) return false
  index.columns = replaced
  const order = index.columnNamesWithOrderingMap
  index.columnNamesWithOrderingMap = Object.fromEntries(
    replaced.map(({ databasePath }) => [databasePath, order[databasePath] ?? 1]),
  )
  return true
}

function tokenColumn(
  { field, hmac }: EncryptedColumn,
  unique: boolean,
  plain: boolean,
): ColumnMetadata {
  const problem = !plain
    ? 'a spatial or full-text index has nothing to read in it'
    : !hmac
      ? 'an index on its ciphertext finds nothing; declare exact on it, or name its _lofi property'
      : unique && field.exact?.bits !== FULL_BITS
        ? 'unique needs untruncated tokens: leave out bits'
        : undefined
  if (hmac && !problem) return hmac
  throw new MortiseError('ERR_FIELD_INVALID', `${field.name} in an index: ${problem}`, {
    field: field.name,
  })
}

/** The predicate of a partial index is SQL text; of an envelope it can only ask whether it is NULL. */
function checkPredicate({ where }: IndexMetadata, columns: readonly EncryptedColumn[]): void {
  const tokens = where ? tokenize(where) : []
  tokens.forEach((token, place) => {
    if (!isName(token) || is(tokens[place + 1], 'is')) return
    const named = columns.find(({ main }) => main.databaseName === token.value)
    if (!named) return
    throw new MortiseError(
      'ERR_FIELD_INVALID',
      `${named.field.name} in the where of an index: it would compare ciphertext`,
      { field: named.field.name },
    )
  })
}
