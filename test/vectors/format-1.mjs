// Format 1 written down once more, from docs/format.md alone: the vectors are made with this and not
// with src/, so that they cannot inherit a mistake. Unlike src/ it seals under a DEK that is given.
import { createCipheriv, createHash, createHmac } from 'node:crypto'

export const LABELS = {
  rootWrap: 'mortise/1/root-wrap',
  kcv: 'mortise/1/kcv',
  dekWrap: 'mortise/1/dek-wrap',
  record: 'mortise/1/record',
  iv: 'mortise/1/iv',
  subjectWrap: 'mortise/1/subject-wrap',
  index: 'mortise/1/index',
  context: 'mortise/1/context',
}
export const FLAGS = { rowBound: 1, padded: 2, subjectKey: 4, providerWrapped: 8 }

export const hex = (text) => Buffer.from(text, 'hex')
export const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)))

export function flip(bytes, offset, bit) {
  const copy = Buffer.from(bytes)
  copy[offset] ^= 1 << bit
  return copy
}

export function uint(bytes, value) {
  const out = Buffer.alloc(bytes)
  out.writeUIntBE(value, 0, bytes)
  return out
}

const lp = (part) => join(uint(4, Buffer.byteLength(part)), part)
const encode = (...parts) => join(...parts.map(lp))
const sha256 = (bytes) => createHash('sha256').update(bytes).digest()
const hmac = (hash, key, data) => createHmac(hash, key).update(data).digest()
const kdf = (key, ...parts) => hmac('sha256', key, join(encode(...parts), [1]))

function keyWrap(wrappingKey, key) {
  const cipher = createCipheriv('id-aes256-wrap', wrappingKey, Buffer.alloc(8, 0xa6))
  return join(cipher.update(key), cipher.final())
}

/** C of a key store row. */
export const contextParts = (use, { id, domain, purpose, version }) => [
  use,
  domain,
  purpose,
  hex(id),
  uint(4, version),
]

/** C as a PKCS#11 provider binds it. */
export const encodeContext = (context) => encode(LABELS.context, ...context)

export const inAppWrap = (rootSecret, context, key) =>
  keyWrap(kdf(rootSecret, LABELS.rootWrap, ...context), key)

/** 72 bytes: KW(root key, key | binding). `binding` differs from the context's in must-fail cases. */
export function hsmKeyWrap(rootKey, context, key, binding = sha256(encodeContext(context))) {
  return keyWrap(rootKey, join(key, binding))
}

/** 60 bytes: IV, ciphertext, tag. */
export const hsmGcmWrap = (rootKey, context, key, iv) =>
  join(iv, gcm(rootKey, iv, encodeContext(context), key))

export function subjectRef(indexKek, domain, generation, subject) {
  const names = [domain, 'subject', '', 'exact', '', uint(4, 128), [generation]]
  const indexKey = kdf(indexKek, LABELS.index, ...names.map((name) => Buffer.from(name)))
  const encoded = join([1], subject)
  const digest = hmac('sha256', indexKey, encoded)
  return { indexKey, encoded, subjectRef: join([generation], digest.subarray(0, 16)) }
}

/** KW(KDF(KEK, "mortise/1/subject-wrap", domain, subject key id, subject_ref), subject key). */
export const wrapSubjectKey = (kek, { domain, id, key }, ref) =>
  keyWrap(kdf(kek, LABELS.subjectWrap, domain, hex(id), ref), key)

export const subjectDekWrapKey = ({ key, domain, id }) =>
  kdf(key, LABELS.dekWrap, domain, 'subject', hex(id))

export const wrapDekForSubject = (subjectKey, dek) => keyWrap(subjectDekWrapKey(subjectKey), dek)

/** Everything that format 1 derives from one KEK: { id, domain, purpose, version, kek }. */
export function deriveKey(rootSecret, { id, domain, purpose, version, kek }) {
  const context = contextParts('kek', { id, domain, purpose, version })
  return {
    inAppWrap: inAppWrap(rootSecret, context, kek),
    kcv: kdf(kek, LABELS.kcv, domain, purpose, hex(id), uint(4, version)),
  }
}

/** The key that wraps DEKs; `purpose` and `id` differ from the key's own only in must-fail cases. */
export function dekWrapKey(key, { purpose = 'data', id = key.id, domain = key.domain } = {}) {
  return kdf(key.kek, LABELS.dekWrap, domain, purpose, hex(id))
}

export const wrapDek = (key, dek, other) => keyWrap(dekWrapKey(key, other), dek)

export function recordKeys(dek, domain) {
  const okm = hmac('sha512', dek, join(encode(LABELS.record, domain), [1]))
  return { encryptionKey: okm.subarray(0, 32), commitment: okm.subarray(32) }
}

export function fieldIv(domain, fieldId) {
  return sha256(encode(LABELS.iv, domain, fieldId)).subarray(0, 12)
}

export function rowIdBytes({ kind, value }) {
  if (kind === 'uuid') return join([0x10], hex(value.replaceAll('-', '')))
  return join([kind === 'integer' ? 0x03 : 0x01], value)
}

export function aad(flags, domain, fieldId, row) {
  const bound = flags & FLAGS.rowBound ? [lp(rowIdBytes(row))] : []
  return join([flags & 3], lp(domain), lp(fieldId), ...bound)
}

export function padded(encoded, step) {
  const content = join(uint(4, encoded.length), encoded)
  return join(content, Buffer.alloc(Math.ceil(content.length / step) * step - content.length))
}

function gcm(key, iv, additional, plaintext) {
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  cipher.setAAD(additional)
  return join(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

/**
 * Seals a plaintext P under a given DEK. `head` replaces parts of what is outside the ciphertext, so
 * that must-fail cases can hold envelopes which no correct writer makes.
 */
export function sealEnvelope({ key, dek, flags, field, row, plaintext, head = {} }) {
  const { domain, fieldId } = field
  const { encryptionKey, commitment } = recordKeys(dek, domain)
  const additional = aad(flags, domain, fieldId, row)
  return join(
    [head.magic ?? 0xe1],
    [head.flags ?? flags],
    head.keyId ?? hex(key.id),
    head.wrappedDek ?? wrapDek(key, dek),
    head.commitment ?? commitment,
    gcm(encryptionKey, fieldIv(domain, fieldId), additional, plaintext),
  )
}

export const toText = (envelope) => `mrt1.${envelope.toString('base64url')}`

const TYPE_BYTES = {
  string: 1,
  number: 2,
  bigint: 3,
  boolean: 4,
  timestamp: 5,
  date: 6,
  bytes: 7,
  json: 8,
}

/** T for a value in its vector form: see "values" in the description of envelopes.json. */
export function encodeValue(type, value) {
  return join([TYPE_BYTES[type]], valueBytes(type, value))
}

function valueBytes(type, value) {
  const out = Buffer.alloc(8)
  switch (type) {
    case 'number':
      out.writeDoubleBE(Number(value))
      return out
    case 'timestamp':
      out.writeBigInt64BE(BigInt(value))
      return out
    case 'boolean':
      return [value ? 1 : 0]
    case 'bytes':
      return hex(value)
    default:
      return value
  }
}
