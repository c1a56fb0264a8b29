import { type SealInput, sealEach } from '../envelope/seal'
import { MortiseError, type MortiseErrorCode } from '../errors'
import type { SealingKey } from '../keys/access'
import type { SourceRow } from './job/table-task'

/** A value that is to be sealed, whatever else is known of it. */
interface Member extends SealInput {
  readonly row: SourceRow
}

/** Values of one row that come under one key, and share a DEK. */
interface MemberRecord<Value extends Member> {
  readonly key: SealingKey
  readonly values: Value[]
}

/** What became of the values of a page. */
interface SealedMembers<Value extends Member> {
  readonly sealed: { readonly value: Value; readonly envelope: Buffer }[]
  readonly failed: { readonly value: Value; readonly code: MortiseErrorCode }[]
}

/**
 * Seals the values of a page at once: all those of a row that come under one key share a fresh DEK. A value
 * that cannot be sealed, because its padding makes it too large, hinders no other of its row.
 *
 * @throws ERR_KEY_PROVIDER and what else concerns more than one value
 */
export async function sealMembers<Value extends Member>(
  values: readonly Value[],
  keyOf: (value: Value) => SealingKey,
): Promise<SealedMembers<Value>> {
  const result: SealedMembers<Value> = { sealed: [], failed: [] }
  let rest = recordsOf(values, keyOf)
  while (rest.length > 0) rest = await sealOnce(rest, result)
  return result
}

function recordsOf<Value extends Member>(
  values: readonly Value[],
  keyOf: (value: Value) => SealingKey,
): MemberRecord<Value>[] {
  const rows = new Map<SourceRow, MemberRecord<Value>[]>()
  for (const value of values) {
    const key = keyOf(value)
    const ofRow = rows.get(value.row)
    const known = ofRow?.find((record) => record.key.id === key.id)
    if (known) known.values.push(value)
    else if (ofRow) ofRow.push({ key, values: [value] })
    else rows.set(value.row, [{ key, values: [value] }])
  }
  return [...rows.values()].flat()
}

/** @returns what is left of the records that had a value that was refused */
async function sealOnce<Value extends Member>(
  records: readonly MemberRecord<Value>[],
  { sealed, failed }: SealedMembers<Value>,
): Promise<MemberRecord<Value>[]> {
  const results = await sealEach(records)
  return records.flatMap(({ key, values }, i) => {
    const result = results[i] as Buffer[] | MortiseError
    if (!(result instanceof MortiseError)) {
      values.forEach((value, j) => {
        sealed.push({ value, envelope: result[j] as Buffer })
      })
      return []
    }
    const isRefused = ({ field }: Value): boolean => field.name === result.field
    const refused = values.some(isRefused) ? values.filter(isRefused) : values
    failed.push(...refused.map((value) => ({ value, code: result.code })))
    const left = values.filter((value) => !refused.includes(value))
    return left.length === 0 ? [] : [{ key, values: left }]
  })
}
