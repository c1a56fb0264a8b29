// Valid pages, and what they give, by a model of stored format 1 over node:crypto.
import { createCipheriv, createHmac } from 'node:crypto'

const OPEN = 0
const SEAL = 1
const REWRAP = 2
const TOKEN = 3

const WRAP_IV = Buffer.alloc(8, 0xa6)
const ROW_BOUND = 1

/** Keys, fields and records as a page names them. */
export function randomWorld(random) {
  const many = (from, to, make) => Array.from({ length: random.between(from, to) }, make)
  const keys = many(1, 4, () => ({ id: random.bytes(8), bytes: random.bytes(32) }))
  const fields = many(1, 5, () => ({
    flags: random.below(8),
    iv: random.bytes(12),
    aad: random.bytes(random.between(1, 40)),
  }))
  const records = many(1, 6, () => ({
    key: random.below(keys.length),
    dek: random.bytes(32),
    values: many(1, 4, () => ({
      field: random.below(fields.length),
      plaintext: random.chance(50)
        ? Buffer.alloc(random.between(1, random.chance(5) ? 5000 : 80), 0x61)
        : random.bytes(random.between(1, 80)),
      rowId: random.bytes(random.between(1, 20)),
    })),
  }))
  return { info: random.bytes(random.below(60)), keys, fields, records }
}

/** The pages of a world: arguments of the addon, and what it gives for them. */
export function pagesOf(world) {
  const sealed = world.records.flatMap((record) => {
    return record.values.map((value) => ({ record, value, ...envelopeOf(world, record, value) }))
  })
  return [
    sealPage(world, sealed),
    openPage(world, sealed),
    rewrapPage(world, sealed),
    tokenPage(world, sealed),
  ]
}

function envelopeOf({ info, keys, fields }, { key, dek }, { field, plaintext, rowId }) {
  const { flags, iv, aad } = fields[field]
  const okm = createHmac('sha512', dek).update(info).digest()
  const cipher = createCipheriv('aes-256-gcm', okm.subarray(0, 32), iv)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(rowId.length)
  const bound = (flags & ROW_BOUND) === 0 ? [] : [length, rowId]
  cipher.setAAD(Buffer.concat([Buffer.of(flags & 3), aad.subarray(1), ...bound]))
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  const block = (to) => Buffer.concat([Buffer.of(0xe1, flags), to.id, wrap(to.bytes, dek)])
  return { block, envelope: Buffer.concat([block(keys[key]), okm.subarray(32), ciphertext]) }
}

function wrap(key, dek) {
  const cipher = createCipheriv('id-aes256-wrap', key, WRAP_IV)
  return Buffer.concat([cipher.update(dek), cipher.final()])
}

function sealPage(world, sealed) {
  const deks = world.records.map(({ dek }) => dek)
  const values = sealed.map(({ record, value }) => {
    const dek = world.records.indexOf(record) * 32
    return { ...value, key: record.key, bytes: value.plaintext, dek }
  })
  return page(
    world,
    SEAL,
    values,
    sealed.map(({ envelope }) => envelope),
    deks,
  )
}

function openPage(world, sealed) {
  const values = sealed.map(({ record, value, envelope }) => {
    return { ...value, key: record.key, bytes: envelope }
  })
  const isAscii = (bytes) => bytes.every((byte) => byte < 128)
  const statuses = sealed.map(({ value }) => (isAscii(value.plaintext) ? 2 : 1))
  const plaintexts = sealed.map(({ value }) => value.plaintext)
  return page(world, OPEN, values, [...plaintexts, Buffer.from(statuses)])
}

function rewrapPage(world, sealed) {
  const to = (i) => i % world.keys.length
  const values = sealed.map(({ record, envelope }, i) => {
    return { key: record.key, field: to(i), bytes: envelope.subarray(0, 82), rowId: Buffer.of() }
  })
  const blocks = sealed.map(({ block }, i) => block(world.keys[to(i)]))
  return page(world, REWRAP, values, [...blocks, Buffer.alloc(sealed.length, 1)])
}

function tokenPage(world, sealed) {
  const values = sealed.map(({ record, value }) => {
    return { key: record.key, field: 0, bytes: value.plaintext, rowId: Buffer.of() }
  })
  const hmac = ({ key, bytes }) =>
    createHmac('sha256', world.keys[key].bytes).update(bytes).digest()
  return page(world, TOKEN, values, values.map(hmac))
}

function page({ keys, info, fields }, operation, values, expected, before = []) {
  const parts = [...before]
  let at = before.length * 32
  const words = values.flatMap(({ key, field, bytes, rowId, dek = 0 }) => {
    const offset = at
    at += bytes.length + rowId.length
    parts.push(bytes, rowId)
    return [key, field, offset, bytes.length, rowId.length, dek]
  })
  const entry = ({ flags, iv, aad }) => [Buffer.of(flags), iv, Buffer.of(0, aad.length), aad]
  return {
    expected: Buffer.concat(expected),
    arguments: [
      operation,
      Buffer.concat(keys.flatMap(({ id, bytes }) => [id, bytes])),
      info,
      Buffer.concat(fields.flatMap(entry)),
      Uint32Array.from(words),
      Buffer.concat(parts),
    ],
  }
}

/** How long the output of a page must be. */
export function outputLength(operation, index) {
  let total = 0
  const words = wordsOf(index)
  for (let at = 0; at < words.length; at += 6) {
    const length = words[at + 3]
    total += { [OPEN]: length - 97, [SEAL]: length + 98, [REWRAP]: 51, [TOKEN]: 32 }[operation]
  }
  return total
}

/** Optimised code of V8 has been seen to read the length that an array had before it was detached. */
function wordsOf(index) {
  try {
    return new Uint32Array(index)
  } catch {
    return []
  }
}
