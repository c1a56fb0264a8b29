import { asBuffer, u8, utf8 } from '../bytes'
import { hmacSha256 } from '../crypto/hash'
import type { TokenKey } from './access'

/** A subject id is typed as text; see docs/format.md "Index tokens". */
const STRING_TYPE = u8(0x01)
const REF_BYTES = 16

/**
 * The subject_ref of a subject: the 128-bit token of kind "subject" of its id as text.
 *
 * @param subject - canonical, from `subjectId`
 * @returns u8(generation) | 16 bytes
 * @see docs/format.md "Index tokens"
 */
export function subjectRefOf({ key, generation }: TokenKey, subject: string): Buffer {
  const encoded = Buffer.concat([STRING_TYPE, utf8(subject, 'a subject id')])
  return Buffer.concat([u8(generation), hmacSha256(key, encoded).subarray(0, REF_BYTES)])
}

/** One text per subject_ref, for maps. */
export function refText(ref: Uint8Array): string {
  return asBuffer(ref).toString('latin1')
}
