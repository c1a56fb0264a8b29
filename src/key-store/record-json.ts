import { toHex } from '../bytes'
import { MAX_WRAPPED_BYTES } from '../providers/provider'
import { type JsonMembers, malformed } from './json-members'
import { INDEX_STATES, type IndexRecord, type KeyRecord, type KeyWrap } from './store'

/** Limits of the format: more wraps or longer blobs were not written by mortise. */
const MAX_WRAPS = 8
const KCV_BYTES = 32
/** PostgreSQL's `integer`, the narrowest type that holds versions and epochs. */
const MAX_INTEGER = 2 ** 31 - 1

/** A key id in JSON. */
export const KEY_ID: RegExp = /^[0-9a-f]{16}$/
/** A domain in JSON. */
export const DOMAIN: RegExp = /^[\x21-\x7e]{1,64}$/
const NAME = /^[\x21-\x7e]{1,255}$/
const PROVIDER_URI = /^[\x21-\x7e]{1,2048}$/

/**
 * The JSON form of a key: bytes as hex, times as ISO 8601.
 *
 * The file store writes it, and the PostgreSQL store has the database build it, so that no type
 * parser of the application's driver stands in between.
 */
export function keyToJson(record: KeyRecord): unknown {
  return {
    ...record,
    kcv: toHex(record.kcv),
    wraps: record.wraps.map((wrap) => ({ ...wrap, wrapped: toHex(wrap.wrapped) })),
  }
}

/** Inverse of {@link keyToJson} for untrusted JSON. */
export function keyFromJson(json: JsonMembers): KeyRecord {
  const key = keyMembers(json)
  const whole = hasMaterial(key) || namesOneProvider(key) || isGone(key)
  return whole ? key : malformed('the key store', 'kcv')
}

/** A key with material has a whole check value and whole wraps. */
function hasMaterial({ kcv, wraps }: KeyRecord): boolean {
  return kcv.length === KCV_BYTES && wraps.every(({ wrapped }) => wrapped.length > 0)
}

/** Of a destroyed key without material, not even the provider's name is left. */
function isGone({ purpose, state, kcv, wraps }: KeyRecord): boolean {
  return purpose === 'data' && state === 'destroyed' && kcv.length === 0 && wraps.length === 0
}

/** A key without material has none anywhere, and names the one provider that wraps its DEKs. */
function namesOneProvider({ purpose, kcv, wraps: [only, ...others] }: KeyRecord): boolean {
  const empty = kcv.length === 0 && only?.wrapped.length === 0
  return purpose === 'data' && empty && others.length === 0
}

function keyMembers(json: JsonMembers): KeyRecord {
  return {
    id: json.text('id', KEY_ID),
    domain: json.text('domain', DOMAIN),
    purpose: json.oneOf('purpose', ['data', 'index']),
    version: json.integer('version', 1, MAX_INTEGER),
    state: json.oneOf('state', ['active', 'decrypt-only', 'disabled', 'destroyed']),
    kcv: json.bytes('kcv', 0, KCV_BYTES),
    createdAt: json.time('createdAt'),
    stateChangedAt: json.time('stateChangedAt'),
    epoch: json.integer('epoch', 0, MAX_INTEGER),
    wraps: json.list('wraps', MAX_WRAPS).map(wrapFromJson),
  }
}

/** A wrap from untrusted JSON; empty only where the key has no material. */
export function wrapFromJson(json: JsonMembers): KeyWrap {
  return {
    providerUri: json.text('providerUri', PROVIDER_URI),
    wrapped: json.bytes('wrapped', 0, MAX_WRAPPED_BYTES),
    createdAt: json.time('createdAt'),
  }
}

/** An index record from untrusted JSON; its JSON form is the record itself. */
export function indexFromJson(json: JsonMembers): IndexRecord {
  const optionalText = (key: string, pattern: RegExp): string | null =>
    json.isNull(key) ? null : json.text(key, pattern)
  const kind = json.oneOf<IndexRecord['kind']>('kind', ['field', 'group', 'subject'])
  return {
    domain: json.text('domain', DOMAIN),
    kind,
    name: json.text('name', kind === 'subject' ? /^$/ : NAME),
    generation: json.integer('generation', 1, 255),
    indexKeyId: optionalText('indexKeyId', KEY_ID),
    normaliser: optionalText('normaliser', /^[\x21-\x7e]{0,255}$/),
    bits: json.isNull('bits') ? null : json.integer('bits', 8, 128),
    range: optionalText('range', /^[^\0]*$/),
    group: optionalText('group', NAME),
    state: json.oneOf('state', INDEX_STATES),
  }
}
