import type { BucketColumnType, Bucketing } from '../blind-index/bucketing'
import { tokenOf } from '../blind-index/token'
import type { Field } from '../field'
import type { KeyAccess, TokenKey } from '../keys/access'
import type { EncryptedTableColumn } from '../schema'
import { quote } from './table-path'

/** What an index column holds of a value: a token in hex, or a bucket in the text of {@link indexText}. */
type IndexText = string | null

/** An index column of a field, and what it may hold. */
export interface StoredIndex {
  readonly column: string
  /** SQL over `r` that gives what it holds as text. */
  readonly text: string
  /** Whether it may be NULL beside a value, because only a generation to come has the index. */
  readonly mayBeNull: boolean
  /**
   * Whether it may hold this beside the value.
   *
   * @throws ERR_VALUE_INVALID for a value that has no token or bucket
   */
  fits(stored: IndexText, value: unknown): boolean
}

/** A field as it is or comes to be, and the key of its tokens. */
interface Generation {
  readonly field: Field
  readonly tokenKey: TokenKey | null
}

/**
 * The index columns of a field. While `reindex` changes them, rows of both generations are right; which of
 * them are there is for `reindex` to prove.
 *
 * @throws ERR_INDEX_CHANGED where the field's declaration is not what rows are indexed with
 */
export async function storedIndexes(
  access: KeyAccess,
  column: EncryptedTableColumn,
): Promise<StoredIndex[]> {
  const { definition, change } = column
  if (definition.exact === null && definition.bucketing === null && change === null) return []
  const { ownColumns, nextColumns } = await access.indexStage(definition.fieldId)
  const isChanging = nextColumns === 'next'
  const own = isChanging || ownColumns === 'current' ? [await generationOf(access, definition)] : []
  const next =
    change && (isChanging || ownColumns === 'next') ? [await generationOf(access, change.next)] : []
  const exact = column.exactColumn ?? change?.exact?.own ?? null
  const range = column.rangeColumn ?? change?.range?.own ?? null
  // Of both generations: a range keeps its kind.
  const type = (definition.bucketing ?? change?.next.bucketing)?.columnType ?? 'text'
  return [
    tokenIndex(exact, [...own, ...next], false),
    bucketIndex(range, type, [...own, ...next], false),
    tokenIndex(change?.exact?.beside ?? null, next, true),
    bucketIndex(change?.range?.beside ?? null, type, next, true),
  ].filter((index) => index !== null)
}

async function generationOf(access: KeyAccess, field: Field): Promise<Generation> {
  return { field, tokenKey: field.exact && (await access.tokenKey(field.indexName)) }
}

function tokenIndex(
  column: string | null,
  generations: readonly Generation[],
  mayBeNull: boolean,
): StoredIndex | null {
  const tokens = ({ field, tokenKey }: Generation, value: unknown): IndexText =>
    tokenKey && tokenOf(tokenKey, field.encodeForToken(value)).toString('hex')
  const isOptional = generations.some(({ tokenKey }) => tokenKey === null)
  const text = `encode(r.${quote(column ?? '')}, 'hex')`
  return storedIndex(column, text, generations, tokens, mayBeNull || isOptional)
}

function bucketIndex(
  column: string | null,
  type: BucketColumnType,
  generations: readonly Generation[],
  mayBeNull: boolean,
): StoredIndex | null {
  const buckets = ({ field }: Generation, value: unknown): IndexText =>
    field.bucketing && bucketText(field.bucketing, value)
  const isOptional = generations.some(({ field }) => field.bucketing === null)
  const text = indexText(`r.${quote(column ?? '')}`, type)
  return storedIndex(column, text, generations, buckets, mayBeNull || isOptional)
}

function storedIndex(
  column: string | null,
  text: string,
  generations: readonly Generation[],
  textOf: (generation: Generation, value: unknown) => IndexText,
  mayBeNull: boolean,
): StoredIndex | null {
  if (column === null) return null
  const fits = (stored: IndexText, value: unknown): boolean =>
    stored === null
      ? mayBeNull
      : generations.some((generation) => textOf(generation, value) === stored)
  return { column, text, mayBeNull, fits }
}

/** The one text of a bucket, whatever the settings of the session. */
function indexText(bucket: string, type: BucketColumnType): string {
  switch (type) {
    case 'double precision':
      return `encode(float8send(${bucket}), 'hex')`
    case 'date':
      return `to_char(${bucket}, 'YYYY-MM-DD')`
    case 'timestamp with time zone':
      return `(to_char(${bucket} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '+00' ||
        CASE WHEN extract(year FROM ${bucket} AT TIME ZONE 'UTC') < 0 THEN ' BC' ELSE '' END)`
    default:
      return `${bucket}::text`
  }
}

function bucketText({ columnType, bucketOf }: Bucketing, value: unknown): string {
  const bucket = bucketOf(value)
  if (columnType !== 'double precision') return String(bucket)
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(Number(bucket))
  return bytes.toString('hex')
}
