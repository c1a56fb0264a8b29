import { tokenOf } from '../../blind-index/token'
import type { SealInput } from '../../envelope/seal'
import { toStored } from '../../envelope/stored-form'
import { MortiseError } from '../../errors'
import type { KeyAccess, SealingKey, TokenKey } from '../../keys/access'
import type { FailedValue } from '../job/table-task'
import { failureOf } from '../opened-page'
import { sealMembers } from '../seal-members'
import { cellOf } from './adopting-table'
import { attempt, type PlainValue } from './plain-values'

/** Everything that a row gets for a value, as parameters of a statement. */
export interface SealedValue extends PlainValue {
  readonly envelope: Buffer | string
  /** Null without an exact index. */
  readonly token: Buffer | null
  /** Null without a range index. */
  readonly bucket: string | null
}

/** A value with what its columns will hold, but for the envelope. */
interface EncodedValue extends PlainValue {
  readonly input: SealInput
  readonly subject: string | null
  readonly token: Buffer | null
  readonly bucket: string | null
}

/**
 * Seals the values of a page: one DEK for all values of a row and subject, and all keys of the page looked
 * up at once.
 *
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had
 */
export async function sealValues(
  access: KeyAccess,
  values: readonly PlainValue[],
): Promise<{ readonly sealed: SealedValue[]; readonly failed: FailedValue[] }> {
  const failed: FailedValue[] = []
  const encoded: EncodedValue[] = []
  const tokenKeys = await tokenKeysOf(access, values)
  for (const value of values) {
    const result = attempt(() => encode(access, value, tokenKeys))
    if (result.ok) encoded.push(result.result)
    else failed.push(failureOf(value, result.code))
  }
  const keys = await access.sealingKeys(new Set(encoded.map(({ subject }) => subject)))
  const records = recordsOf(encoded).map((members) => {
    return { key: keys.get(members[0]?.subject ?? null) as SealingKey, members }
  })
  const page = await sealMembers(records)
  return {
    sealed: page.sealed.map(({ value, envelope }) => {
      return { ...value, envelope: toStored(envelope, value.column.form) }
    }),
    failed: [...failed, ...page.failed.map(({ value, code }) => failureOf(value, code))],
  }
}

/** By field id. */
async function tokenKeysOf(
  access: KeyAccess,
  values: readonly PlainValue[],
): Promise<ReadonlyMap<string, TokenKey>> {
  const keys = new Map<string, TokenKey>()
  for (const { column } of values) {
    const { exact, fieldId, indexName } = column.definition
    if (exact && !keys.has(fieldId)) keys.set(fieldId, await access.tokenKey(indexName))
  }
  return keys
}

function encode(
  { domain }: KeyAccess,
  plain: PlainValue,
  tokenKeys: ReadonlyMap<string, TokenKey>,
): EncodedValue {
  const { row, at, column, value } = plain
  const { definition } = column
  const encoded = definition.encode(value)
  const key = tokenKeys.get(definition.fieldId)
  const token = key ? tokenOf(key, definition.encodeForToken(value)) : null
  const bucket = definition.bucketing ? String(definition.bucketOf(value)) : null
  const subject = column.subject?.idOf(cellOf(row, 's', at)) ?? null
  const rowId = column.row?.idOf(cellOf(row, 'o', at)) ?? undefined
  if ((column.subject && subject === null) || (column.row && rowId === undefined)) {
    throw new MortiseError('ERR_ROW_UNKNOWN', `${column.field}: its row names no subject`)
  }
  return {
    ...plain,
    input: { field: definition.context(domain), encoded, rowId },
    subject,
    token,
    bucket,
  }
}

/** Values of one row that have one subject, together. */
function recordsOf(values: readonly EncodedValue[]): EncodedValue[][] {
  const records = new Map<string, EncodedValue[]>()
  for (const value of values) {
    const id = JSON.stringify([value.row.key, value.subject])
    const record = records.get(id)
    if (record) record.push(value)
    else records.set(id, [value])
  }
  return [...records.values()]
}
