import type { EntityMetadata } from 'typeorm'
import { FULL_BITS } from '../blind-index/token'
import { MortiseError } from '../errors'
import type { EncryptedColumn } from './encrypted-column'
import { type ColumnMetadata, dataSourceOfMetadata } from './internals'
import { is, isName, type Token, tokenize } from './sql/tokens'

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
  for (const { expression } of [...metadata.checks, ...metadata.exclusions]) {
    checkText(expression, 'a constraint', columns)
  }
  for (const index of metadata.indices) {
    checkText(index.where, 'the where of an index', columns)
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
  indexBeside(metadata, columns)
}

/**
 * Gives each index and constraint over a column whose index changes a twin over the column beside it: what
 * is unique stays so, and what is found by several columns still is, while that one is asked.
 */
function indexBeside(metadata: EntityMetadata, encrypted: readonly EncryptedColumn[]): void {
  const { namingStrategy } = dataSourceOfMetadata(metadata)
  const { tableName, indices, uniques, ownIndices, ownUniques } = metadata
  const beside = besideColumns(encrypted)
  for (const index of [...indices]) {
    const twin = twinOf(index, beside, [...indices, ...uniques])
    if (!twin || (twin.columns.length === 1 && !index.isUnique)) continue
    const order = index.columnNamesWithOrderingMap
    twin.columnNamesWithOrderingMap = Object.fromEntries(
      twin.columns.map(({ databasePath }, i) => {
        return [databasePath, order[index.columns[i]?.databasePath ?? ''] ?? 1]
      }),
    )
    twin.name = namingStrategy.indexName(tableName, namesOf(twin.columns), index.where)
    for (const list of new Set([indices, ownIndices])) list.push(twin)
  }
  for (const unique of [...uniques]) {
    const twin = twinOf(unique, beside, [...indices, ...uniques])
    if (!twin) continue
    twin.name = namingStrategy.uniqueConstraintName(tableName, namesOf(twin.columns))
    for (const list of new Set([uniques, ownUniques])) list.push(twin)
  }
}

/** The column beside each own column of an index that changes. */
function besideColumns(
  encrypted: readonly EncryptedColumn[],
): ReadonlyMap<ColumnMetadata, ColumnMetadata> {
  const beside = new Map<ColumnMetadata, ColumnMetadata>()
  for (const { hmac, lofi, change } of encrypted) {
    for (const [own, next] of [
      [hmac, change?.next.hmac] as const,
      [lofi, change?.next.lofi] as const,
    ]) {
      if (own && next && own !== next) beside.set(own, next)
    }
  }
  return beside
}

/** A copy over the columns beside; null where it names none, or where there is one already. */
function twinOf<I extends IndexMetadata | UniqueMetadata>(
  index: I,
  beside: ReadonlyMap<ColumnMetadata, ColumnMetadata>,
  others: readonly (IndexMetadata | UniqueMetadata)[],
): I | null {
  if (!index.columns.some((column) => beside.has(column))) return null
  const columns = index.columns.map((column) => beside.get(column) ?? column)
  const isSame = (other: IndexMetadata | UniqueMetadata) =>
    other.columns.length === columns.length && other.columns.every((one, i) => one === columns[i])
  if (others.some(isSame)) return null
  const twin = Object.create(Object.getPrototypeOf(index), Object.getOwnPropertyDescriptors(index))
  return Object.assign(twin, { columns, givenName: undefined })
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
    if (named) return tokenColumn(named, unique, plain)
    const hidden = encrypted.find((one) => one.hidden.includes(column))
    if (hidden && unique) checkDistinct(hidden, column)
    return column
  })
  if (replaced.every((column, place) => column === index.columns[place])) return false
  index.columns = replaced
  const order = index.columnNamesWithOrderingMap
  index.columnNamesWithOrderingMap = Object.fromEntries(
    replaced.map(({ databasePath }) => [databasePath, order[databasePath] ?? 1]),
  )
  return true
}

function tokenColumn(encrypted: EncryptedColumn, unique: boolean, plain: boolean): ColumnMetadata {
  const { field, hmac } = encrypted
  const problem = !plain
    ? 'a spatial or full-text index has nothing to read in it'
    : !hmac
      ? 'an index on its ciphertext finds nothing; declare exact on it, or name its _lofi property'
      : unique && !facesOf(encrypted).every(hasFullToken)
        ? 'unique needs untruncated tokens: leave out bits'
        : undefined
  if (hmac && !problem) return hmac
  throw new MortiseError('ERR_FIELD_INVALID', `${field.name} in an index: ${problem}`, {
    field: field.name,
  })
}

/** A column that changes its index, in every way in which it is asked. */
function facesOf(encrypted: EncryptedColumn): readonly EncryptedColumn[] {
  const { change } = encrypted
  return change ? [change.current, change.next, change.final] : [encrypted]
}

function hasFullToken({ field }: EncryptedColumn): boolean {
  return field.exact?.bits === FULL_BITS
}

/** A constraint over values that differ and share a token or bucket would refuse some of them. */
function checkDistinct(encrypted: EncryptedColumn, column: ColumnMetadata): void {
  const { field } = encrypted
  const faces = facesOf(encrypted).filter(({ hmac }) => hmac === column)
  if (faces.length > 0 && faces.every(hasFullToken)) return
  throw new MortiseError(
    'ERR_FIELD_INVALID',
    `${field.name} in a unique index: different values share ${column.propertyName}; unique needs ` +
      'untruncated tokens',
    { field: field.name },
  )
}

/** Functions of the bytes that an envelope is, for constraints that keep plaintext out. */
const BYTE_FUNCTIONS = ['get_byte', 'octet_length', 'length']

/**
 * SQL text of an index or constraint may ask of an envelope whether it is NULL, and whether it is one:
 * its bytes, or the beginning of its text form.
 */
function checkText(
  sql: string | undefined,
  what: string,
  columns: readonly EncryptedColumn[],
): void {
  const tokens = sql ? tokenize(sql) : []
  tokens.forEach((token, at) => {
    const named = isName(token)
      ? columns.find(({ main }) => main.databaseName === token.value)
      : undefined
    if (!named || isHarmless(tokens, at)) return
    throw new MortiseError(
      'ERR_FIELD_INVALID',
      `${named.field.name} in ${what}: it would compare ciphertext`,
      { field: named.field.name },
    )
  })
}

function isHarmless(tokens: readonly Token[], at: number): boolean {
  const [next, after, third] = tokens.slice(at + 1, at + 4)
  if (is(next, 'is')) return is(after, 'null') || (is(after, 'not') && is(third, 'null'))
  if (is(tokens[at - 1], '(') && is(tokens[at - 2], ...BYTE_FUNCTIONS)) return true
  return is(next, 'like') && after?.kind === 'string' && after.value.startsWith('mrt1.')
}
