import { field, fixedBytes, KEYS, ROWS } from './fixtures.mjs'
import {
  FLAGS,
  flip,
  hex,
  join,
  recordKeys,
  sealEnvelope,
  toText,
  uint,
  wrapDek,
} from './format-1.mjs'
import { envelopeCase } from './success-cases.mjs'

const MALFORMED = 'ERR_ENVELOPE_MALFORMED'
const VERSION = 'ERR_ENVELOPE_VERSION'
const WRONG_FLAGS = 'ERR_ENVELOPE_FLAGS'
const FAILED = 'ERR_DECRYPTION_FAILED'
const NO_KEY = 'ERR_KEY_NOT_FOUND'
const KEY_STATE = 'ERR_KEY_STATE'

const PLAIN = field('string')
const BOUND = field('string', { rowBound: true })

/** Attempts to open `envelope` as a value of `target`. */
const open = (name, envelope, code, target = PLAIN, row = null) => ({
  name,
  envelope,
  field: target,
  row,
  code,
})

const plain = () => envelopeCase('must fail, plain', PLAIN, 'Ada')
const bound = () => envelopeCase('must fail, bound', BOUND, 'Ada', { row: ROWS.uuid })

function flipCode(offset, bit) {
  if (offset === 0) return bit < 4 ? VERSION : MALFORMED
  if (offset === 1) return [WRONG_FLAGS, FAILED, WRONG_FLAGS, MALFORMED][bit] ?? MALFORMED
  return offset < 10 ? NO_KEY : FAILED
}

/** Every bit of magic and flags, one bit of every other byte. */
function bitFlips() {
  const { envelope } = plain()
  const bits = (offset) => (offset < 2 ? [0, 1, 2, 3, 4, 5, 6, 7] : [(offset * 5) % 8])
  return Array.from(envelope, (_, offset) =>
    bits(offset).map((bit) =>
      open(`bit ${bit} of byte ${offset}`, flip(envelope, offset, bit), flipCode(offset, bit)),
    ),
  ).flat()
}

/** Below 99 bytes no ciphertext is left; above, the tag is cut. */
function truncations() {
  const { envelope } = plain()
  return Array.from(envelope, (_, length) =>
    open(`cut to ${length} bytes`, envelope.subarray(0, length), length < 99 ? MALFORMED : FAILED),
  )
}

function headForgeries() {
  const a = plain()
  const b = envelopeCase('must fail, other record', PLAIN, 'Ada')
  const splice = (end) => join(b.envelope.subarray(0, end), a.envelope.subarray(end))
  const seal = (name, head, code, key = KEYS.first) => {
    const dek = fixedBytes(`dek ${name}`)
    const plaintext = a.encoded
    return open(
      name,
      sealEnvelope({ key, dek, flags: 0, field: PLAIN, plaintext, head: head(dek) }),
      code,
    )
  }
  return [
    open('one byte appended', join(a.envelope, [0]), FAILED),
    open('key block of another envelope', splice(50), FAILED),
    open('key block and commitment of another envelope', splice(82), FAILED),
    open(
      'ciphertext and tag swapped in from another field',
      join(a.envelope.subarray(0, 82), bound().envelope.subarray(82)),
      FAILED,
    ),
    seal('commitment of zeros', () => ({ commitment: Buffer.alloc(32) }), FAILED),
    seal(
      'commitment of another domain',
      (dek) => ({ commitment: recordKeys(dek, 'clinic-7').commitment }),
      FAILED,
    ),
    seal(
      'key id that the store lacks',
      () => ({ keyId: fixedBytes('nobody').subarray(0, 8) }),
      NO_KEY,
    ),
    seal('key id of an index key', () => ({}), NO_KEY, KEYS.index),
    seal('key id of another domain', () => ({}), NO_KEY, KEYS.foreign),
    seal('disabled key', () => ({}), KEY_STATE, KEYS.disabled),
    seal(
      'DEK wrapped for purpose index',
      (dek) => ({ wrappedDek: wrapDek(KEYS.first, dek, { purpose: 'index' }) }),
      FAILED,
    ),
    seal(
      'DEK wrapped for a subject',
      (dek) => ({ wrappedDek: wrapDek(KEYS.first, dek, { purpose: 'subject' }) }),
      FAILED,
    ),
    seal(
      'DEK wrapped for another domain',
      (dek) => ({ wrappedDek: wrapDek(KEYS.first, dek, { domain: 'clinic-7' }) }),
      FAILED,
    ),
    seal(
      'DEK wrapped for another key id',
      (dek) => ({ wrappedDek: wrapDek(KEYS.first, dek, { id: KEYS.second.id }) }),
      FAILED,
    ),
    seal(
      'DEK wrapped by another key',
      (dek) => ({ wrappedDek: wrapDek(KEYS.second, dek) }),
      FAILED,
    ),
  ]
}

function contexts() {
  const a = plain()
  const b = bound()
  const { uuid, integer, text } = ROWS
  const padding = envelopeCase('must fail, padded', field('string', { pad: 16 }), 'Ada')
  const boundOpen = (name, row, envelope = b.envelope, code = FAILED) =>
    open(name, envelope, code, BOUND, row)
  return [
    open('another field', a.envelope, FAILED, field('string', { fieldId: 'person.name' })),
    open('another type', a.envelope, FAILED, field('bytes', { fieldId: 'person.string' })),
    open('another domain', a.envelope, NO_KEY, field('string', { domain: 'clinic-7' })),
    boundOpen('another row', { ...uuid, value: uuid.value.replace('0190', '0191') }),
    boundOpen('a row of another kind', integer),
    boundOpen('the row id as text', { kind: 'text', value: uuid.value }),
    boundOpen('an empty text row id', { ...text, value: '' }),
    boundOpen('b0 cleared in a bound field', uuid, flip(b.envelope, 1, 0), WRONG_FLAGS),
    boundOpen('an unbound envelope in a bound field', uuid, a.envelope, WRONG_FLAGS),
    boundOpen('b0 set on an unbound envelope', uuid, flip(a.envelope, 1, 0)),
    open('a bound envelope in an unbound field', b.envelope, WRONG_FLAGS),
    open('b0 cleared in an unbound field', flip(b.envelope, 1, 0), FAILED),
    open('b1 cleared', flip(padding.envelope, 1, 1), FAILED),
  ]
}

function flagsAndLengths() {
  const { envelope } = plain()
  const id = envelope.subarray(2, 10)
  const rest = envelope.subarray(50)
  const provider = (length, blob, tail = rest) =>
    join([0xe1, FLAGS.providerWrapped], id, uint(2, length), Buffer.alloc(blob, 0xb7), tail)
  const flagged = (flags) => join([0xe1, flags], envelope.subarray(2))
  return [
    open('empty', Buffer.alloc(0), MALFORMED),
    open('plain text', Buffer.from('Ada'.repeat(60)), MALFORMED),
    open('text form where bytes belong', Buffer.from(toText(envelope)), MALFORMED),
    open('format version 0', join([0xe0], envelope.subarray(1)), VERSION),
    open('format version 2', join([0xe2], envelope.subarray(1)), VERSION),
    ...[16, 32, 64, 128, 240].map((flags) => open(`flags ${flags}`, flagged(flags), MALFORMED)),
    open('b2 with b3', flagged(12), MALFORMED),
    open(
      'b2 with b3 and a provider wrap',
      join([0xe1, 12], provider(40, 40).subarray(2)),
      MALFORMED,
    ),
    open('b2 in a field without a subject', flagged(4), WRONG_FLAGS),
    open('b3 with the id of a key that has material', provider(40, 40), NO_KEY),
    open('b3 with L = 0', provider(0, 0), MALFORMED),
    open('b3 with L = 1025', provider(1025, 1025), MALFORMED),
    open('b3 with L past the end', provider(1024, 40), MALFORMED),
    open('b3 with L that leaves no ciphertext', provider(40, 40, rest.subarray(0, 48)), MALFORMED),
    open('b3 cut inside L', provider(40, 40).subarray(0, 11), MALFORMED),
  ]
}

/** Plaintexts that no correct writer seals, under correct keys. */
function plaintexts() {
  const seal = (name, target, plaintext, flags = 0) => {
    const dek = fixedBytes(`dek plaintext ${name}`)
    return open(
      name,
      sealEnvelope({ key: KEYS.first, dek, flags, field: target, plaintext }),
      FAILED,
      target,
    )
  }
  const value = (type, name, ...parts) =>
    seal(`${type}: ${name}`, field(type), join([Object.keys(TYPES).indexOf(type) + 1], ...parts))
  const pad = (name, ...parts) =>
    seal(`padding: ${name}`, field('string', { pad: 16 }), join(...parts), 2)
  const ada = join([1], 'Ada')
  return [
    ...Object.entries(TYPES).flatMap(([type, bad]) =>
      Object.entries(bad).map(([name, bytes]) => value(type, name, bytes)),
    ),
    seal('type byte 0', PLAIN, join([0], 'Ada')),
    seal('type byte 9', PLAIN, join([9], 'Ada')),
    seal('type byte of another type', PLAIN, join([7], 'Ada')),
    pad('shorter than its length', [0, 0, 0]),
    pad('length 0', uint(4, 0), Buffer.alloc(12)),
    pad('length past the end', uint(4, 5), ada),
    pad('length 2^32 - 1', uint(4, 0xffffffff), ada),
    pad('a bit set in its first byte', uint(4, 4), ada, [0x80], Buffer.alloc(7)),
    pad('a bit set in its last byte', uint(4, 4), ada, Buffer.alloc(7), [0x01]),
    pad('length of the value without its last byte', uint(4, 3), ada),
  ]
}

const double = (text) => {
  const out = Buffer.alloc(8)
  out.writeDoubleBE(Number(text))
  return out
}

const i64 = (value) => {
  const out = Buffer.alloc(8)
  out.writeBigInt64BE(value)
  return out
}

/** In the order of their type bytes. */
const TYPES = {
  string: {
    'no UTF-8': hex('ff'),
    'overlong form': hex('c080'),
    'encoded surrogate': hex('eda080'),
    'cut sequence': hex('f09f94'),
  },
  number: {
    NaN: double('NaN'),
    Infinity: double('Infinity'),
    '7 bytes': Buffer.alloc(7),
    '9 bytes': Buffer.alloc(9),
    empty: '',
  },
  bigint: {
    empty: '',
    'minus zero': '-0',
    'plus sign': '+1',
    'leading zero': '007',
    fraction: '1.0',
    space: ' 1',
    'line feed': '1\n',
    'other digits': '١',
    underscore: '1_0',
    hexadecimal: '0x1f',
  },
  boolean: { empty: '', two: [2], 'two bytes': [0, 0] },
  timestamp: {
    'past the last Date': i64(8_640_000_000_000_001n),
    'before the first Date': i64(-8_640_000_000_000_001n),
    '7 bytes': Buffer.alloc(7),
    empty: '',
  },
  date: {
    empty: '',
    'no such day': '2023-02-29',
    'no leap century': '1900-02-29',
    'month 13': '2023-13-01',
    'month 0': '2023-00-10',
    'day 0': '2023-01-00',
    'year 0': '0000-01-01',
    'short form': '2023-2-1',
    'line feed': '2024-01-01\n',
    'other digits': '٢٠٢٤-01-01',
    'with a time': '2024-01-01T00:00:00',
  },
  bytes: {},
  json: {
    empty: '',
    'top-level null': 'null',
    space: '{"a": 1}',
    'line feed': '{}\n',
    'byte order mark': '\ufeff{}',
    'number form': '1.0',
    'minus zero': '-0',
    'exponent form': '1e21',
    NaN: 'NaN',
    'repeated key': '{"a":1,"a":2}',
    'integer key out of order': '{"b":1,"2":2}',
    'needless escape': '"\\u0041"',
    'escaped slash': '"\\/"',
    'upper-case escape': '"\\uD83D"',
    'cut short': '{"a":',
    'no UTF-8': hex('22ff22'),
    'unescaped control': '"\t"',
  },
}

export const openFailures = () => [
  ...bitFlips(),
  ...truncations(),
  ...headForgeries(),
  ...contexts(),
  ...flagsAndLengths(),
  ...plaintexts(),
]

/** Text forms that are refused before anything is opened. */
export function textFailures() {
  // 103 bytes: the last character holds two bits of the envelope and four that must be zero.
  const { envelope } = envelopeCase('must fail, text', PLAIN, 'Adam')
  const text = toText(envelope)
  const standard = envelope.toString('base64')
  const body = text.slice(5)
  const last = body.at(-1)
  const next = String.fromCharCode(last.charCodeAt(0) + 1)
  const refuse = (name, value, code = MALFORMED) => ({ name, text: value, code })
  return [
    refuse('empty', ''),
    refuse('prefix alone', 'mrt1.'),
    refuse('no prefix', body),
    refuse('upper-case prefix', `MRT1.${body}`),
    refuse('format 2', `mrt2.${body}`, VERSION),
    refuse('format 10', `mrt10.${body}`, VERSION),
    refuse('leading space', ` ${text}`),
    refuse('trailing line feed', `${text}\n`),
    refuse('space inside', `${text.slice(0, 20)} ${text.slice(20)}`),
    refuse('padding', `${text}=`),
    refuse('two padding characters', `${text}==`),
    refuse('standard alphabet', `mrt1.${standard.replaceAll('=', '')}`),
    refuse('unused bits set', `mrt1.${body.slice(0, -1)}${next}`),
    refuse('impossible length', `${text}AAA`),
    refuse('foreign character', `${text.slice(0, 30)}é${text.slice(31)}`),
    refuse('version byte 2 inside', toText(join([0xe2], envelope.subarray(1))), VERSION),
  ]
}

export function rewrapFailures() {
  const { first, second, disabled } = KEYS
  const { envelope } = plain()
  const refuse = (name, bytes, code, from = first) => ({
    name,
    envelope: bytes,
    from: from.id,
    to: second.id,
    code,
  })
  const other = envelopeCase('must fail, other record', PLAIN, 'Ada').envelope
  return [
    refuse('sealed under a third key', envelope, NO_KEY, disabled),
    refuse('wrapped DEK changed', flip(envelope, 30, 3), FAILED),
    refuse('commitment changed', flip(envelope, 60, 0), FAILED),
    refuse(
      'wrapped DEK of another envelope',
      join(other.subarray(0, 50), envelope.subarray(50)),
      FAILED,
    ),
    refuse('b2: the subject key is what moves', join([0xe1, 4], envelope.subarray(2)), WRONG_FLAGS),
    refuse('unknown flag', join([0xe1, 16], envelope.subarray(2)), MALFORMED),
    refuse('format version 2', join([0xe2], envelope.subarray(1)), VERSION),
    refuse('no ciphertext', envelope.subarray(0, 98), MALFORMED),
  ]
}
