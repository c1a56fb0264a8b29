import { toHex } from '../bytes'
import type { JsonMembers } from './json-members'
import { DOMAIN, KEY_ID } from './record-json'
import type { SubjectKeyRecord, Tombstone } from './store'

/** u8(generation) | 16 bytes; see docs/format.md "Index tokens". */
const REF_BYTES = 17
/** AES-256 key wrap of 32 bytes. */
const WRAPPED_BYTES = 40

/** The JSON form of a subject key; see `keyToJson` for what both stores do with it. */
export function subjectKeyToJson(record: SubjectKeyRecord): Record<string, unknown> {
  return {
    ...record,
    subjectRef: toHex(record.subjectRef),
    wrapped: toHex(record.wrapped),
  }
}

/** Inverse of {@link subjectKeyToJson} for untrusted JSON. */
export function subjectKeyFromJson(json: JsonMembers): SubjectKeyRecord {
  return {
    id: json.text('id', KEY_ID),
    domain: json.text('domain', DOMAIN),
    subjectRef: json.bytes('subjectRef', REF_BYTES, REF_BYTES),
    kekId: json.text('kekId', KEY_ID),
    wrapped: json.bytes('wrapped', WRAPPED_BYTES, WRAPPED_BYTES),
    createdAt: json.time('createdAt'),
  }
}

/** A tombstone from untrusted JSON; its JSON form is the record itself. */
export function tombstoneFromJson(json: JsonMembers): Tombstone {
  return {
    id: json.text('id', KEY_ID),
    domain: json.text('domain', DOMAIN),
    destroyedAt: json.time('destroyedAt'),
    actor: json.text('actor', /^/),
    reason: json.text('reason', /^/),
  }
}
