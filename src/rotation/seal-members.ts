import { type SealInput, sealEach } from '../envelope/seal'
import { MortiseError, type MortiseErrorCode } from '../errors'
import type { SealingKey } from '../keys/access'

/** A value that is to be sealed, whatever else is known of it. */
interface Member {
  readonly input: SealInput
}

/** Values of one row that come under one key, and share a DEK. */
export interface MemberRecord<Value extends Member> {
  readonly key: SealingKey
  readonly members: readonly Value[]
}

/** What became of the values of a page. */
interface SealedMembers<Value extends Member> {
  readonly sealed: { readonly value: Value; readonly envelope: Buffer }[]
  readonly failed: { readonly value: Value; readonly code: MortiseErrorCode }[]
}

/**
 * Seals the values of a page at once. A value that cannot be sealed, because its padding makes it too
 * large, hinders no other of its row.
 *
 * @throws ERR_KEY_PROVIDER and what else concerns more than one value
 */
export async function sealMembers<Value extends Member>(
  records: readonly MemberRecord<Value>[],
): Promise<SealedMembers<Value>> {
  const result: SealedMembers<Value> = { sealed: [], failed: [] }
  let rest = records
  while (rest.length > 0) rest = await sealOnce(rest, result)
  return result
}

/** @returns what is left of the records that had a value that was refused */
async function sealOnce<Value extends Member>(
  records: readonly MemberRecord<Value>[],
  { sealed, failed }: SealedMembers<Value>,
): Promise<MemberRecord<Value>[]> {
  const results = await sealEach(
    records.map(({ key, members }) => ({ key, values: members.map(({ input }) => input) })),
  )
  return records.flatMap(({ key, members }, i) => {
    const result = results[i] as Buffer[] | MortiseError
    if (!(result instanceof MortiseError)) {
      sealed.push(...members.map((value, j) => ({ value, envelope: result[j] as Buffer })))
      return []
    }
    const isRefused = ({ input }: Value): boolean => input.field.name === result.field
    const refused = members.some(isRefused) ? members.filter(isRefused) : members
    failed.push(...refused.map((value) => ({ value, code: result.code })))
    const left = members.filter((value) => !refused.includes(value))
    return left.length === 0 ? [] : [{ key, members: left }]
  })
}
