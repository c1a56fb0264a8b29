// Envelopes whose DEK a provider wrapped itself (b3), and rewraps from and to them.
import {
  field,
  fixedBytes,
  HSM_ROOT_KEY,
  KEYS,
  PROVIDER_KEYS,
  ROOT_SECRET,
  ROWS,
} from './fixtures.mjs'
import {
  contextParts,
  FLAGS,
  flip,
  hsmGcmWrap,
  hsmKeyWrap,
  inAppWrap,
  join,
  sealEnvelope,
  uint,
  wrapDek,
} from './format-1.mjs'
import { envelopeCase } from './success-cases.mjs'

const FAILED = 'ERR_DECRYPTION_FAILED'
const MALFORMED = 'ERR_ENVELOPE_MALFORMED'
const NO_KEY = 'ERR_KEY_NOT_FOUND'

const PLAIN = field('string')

const { wrapped, rewrapped, off, elsewhere } = PROVIDER_KEYS

const blob = (name, length) =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
      fixedBytes(`blob ${name} ${index}`),
    ),
  ).subarray(0, length)

/** What a provider answers for a DEK, by the length of its answer. */
const BLOBS = {
  1: (_key, _dek, name) => blob(name, 1),
  40: (key, dek) => inAppWrap(ROOT_SECRET, contextParts('dek', key), dek),
  60: (key, dek, name) => hsmGcmWrap(HSM_ROOT_KEY, contextParts('dek', key), dek, blob(name, 12)),
  72: (key, dek) => hsmKeyWrap(HSM_ROOT_KEY, contextParts('dek', key), dek),
  184: (_key, _dek, name) => blob(name, 184),
  1024: (_key, _dek, name) => blob(name, 1024),
}

const withLength = (bytes) => join(uint(2, bytes.length), bytes)

/** An envelope whose DEK is wrapped by the provider of `key`, and what that provider unwraps. */
function wrappedBy(key, length, name, target, value, options = {}) {
  const dek = options.dek ?? fixedBytes(`dek ${name}`)
  const wrappedDek = options.blob ?? BLOBS[length](key, dek, name)
  const wrap = () => withLength(wrappedDek)
  const vector = envelopeCase(name, target, value, {
    ...options,
    dek,
    key,
    kind: FLAGS.providerWrapped,
    wrap,
  })
  return { ...vector, wrappedDek }
}

function allFlags(length) {
  const seal = (name, target, value, row) =>
    wrappedBy(wrapped, length, `provider, L = ${length}${name}`, target, value, { row })
  return [
    seal('', field('string'), 'Ada'),
    seal(', padded', field('string', { pad: 32 }), 'Ada'),
    seal(', row-bound', field('date', { rowBound: true }), '1815-12-10', ROWS.uuid),
    seal(
      ', row-bound and padded',
      field('date', { rowBound: true, pad: 16 }),
      '1815-12-10',
      ROWS.integer,
    ),
  ]
}

function oneRecord() {
  const dek = fixedBytes('dek of one provider record')
  const bytes = blob('one provider record', 184)
  const seal = (name, target, value) =>
    wrappedBy(rewrapped, 184, name, target, value, { dek, blob: bytes })
  return [
    seal('provider record, field 1', field('string'), 'Ada'),
    seal('provider record, field 2', field('bigint', { pad: 16 }), '-1'),
  ]
}

export const providerOpenCases = () => [
  ...[1, 40, 60, 72, 1024].flatMap(allFlags),
  ...oneRecord(),
  wrappedBy(
    elsewhere,
    184,
    'provider, another domain',
    field('bytes', { domain: 'clinic-7' }),
    'ff',
  ),
]

const unwrapOf = (key, { wrappedDek, dek }) => ({ keyId: key.id, wrappedDek, dek })

const MINE = () => wrappedBy(wrapped, 60, 'must fail, provider', PLAIN, 'Ada')
const OTHER = () => wrappedBy(wrapped, 60, 'must fail, other blob', PLAIN, 'Ada')
const THEIRS = () => wrappedBy(rewrapped, 60, 'must fail, other provider key', PLAIN, 'Ada')

/** All that the providers unwrap, where a case does not say otherwise. */
export const providerUnwraps = () => [
  unwrapOf(wrapped, MINE()),
  unwrapOf(wrapped, OTHER()),
  unwrapOf(rewrapped, THEIRS()),
]

function bitFlips({ envelope }, attempt) {
  const codeOf = (offset, bit) => {
    if (offset === 0) return bit < 4 ? 'ERR_ENVELOPE_VERSION' : MALFORMED
    if (offset === 1) return ['ERR_ENVELOPE_FLAGS', FAILED, MALFORMED, NO_KEY][bit] ?? MALFORMED
    if (offset < 10) return NO_KEY
    return offset < 12 ? MALFORMED : FAILED
  }
  return Array.from(envelope, (_, offset) => {
    // A bit of the length that makes the blob longer than the envelope is.
    const bits = offset === 1 ? [0, 1, 2, 3, 4, 5, 6, 7] : [offset === 11 ? 7 : (offset * 3) % 8]
    return bits.map((bit) =>
      attempt(
        `provider: bit ${bit} of byte ${offset}`,
        flip(envelope, offset, bit),
        codeOf(offset, bit),
      ),
    )
  }).flat()
}

export function providerOpenFailures() {
  const mine = MINE()
  const other = OTHER()
  const local = envelopeCase('must fail, local', field('string'), 'Ada')
  const attempt = (name, envelope, code, options = {}) => ({
    name,
    envelope,
    field: options.target ?? field('string'),
    row: null,
    unwraps: options.unwraps ?? null,
    code,
  })
  const end = 12 + 60
  const shorter = (length) =>
    join(mine.envelope.subarray(0, 10), uint(2, length), mine.envelope.subarray(12))
  const spliced = (from, to) => join(other.envelope.subarray(0, from), mine.envelope.subarray(to))
  const asProvider = (key, dek) => ({
    keyId: key.id,
    wrappedDek: local.envelope.subarray(10, 50),
    dek,
  })
  const withId = (key) =>
    join(mine.envelope.subarray(0, 2), Buffer.from(key.id, 'hex'), mine.envelope.subarray(10))
  const sealedUnder = (key, target) => {
    const dek = fixedBytes(`dek of ${key.name}`)
    const head = { wrappedDek: withLength(mine.wrappedDek) }
    return sealEnvelope({
      key,
      dek,
      flags: FLAGS.providerWrapped,
      field: target,
      plaintext: mine.encoded,
      head,
    })
  }
  return [
    ...bitFlips(mine, attempt),
    ...Array.from(mine.envelope, (_, length) =>
      attempt(
        `provider: cut to ${length} bytes`,
        mine.envelope.subarray(0, length),
        length < end + 49 ? MALFORMED : FAILED,
      ),
    ),
    attempt('provider: one byte appended', join(mine.envelope, [0]), FAILED),
    attempt('DEK that the provider does not unwrap', mine.envelope, FAILED, { unwraps: [] }),
    attempt('DEK that only another key unwraps', mine.envelope, FAILED, {
      unwraps: [{ ...unwrapOf(wrapped, mine), keyId: rewrapped.id }],
    }),
    attempt('provider answers the DEK of another envelope', mine.envelope, FAILED, {
      unwraps: [{ ...unwrapOf(wrapped, mine), dek: other.dek }],
    }),
    attempt('blob of another envelope', spliced(end, end), FAILED),
    attempt('blob and commitment of another envelope', spliced(end + 32, end + 32), FAILED),
    attempt('id of another provider key', withId(rewrapped), FAILED),
    attempt('id of a key with material', withId(KEYS.first), NO_KEY),
    attempt('id of an index key', withId(KEYS.index), NO_KEY),
    attempt('id of a provider key of another domain', withId(elsewhere), NO_KEY),
    attempt('id of a disabled provider key', withId(off), 'ERR_KEY_STATE'),
    attempt(
      'a provider key of another domain',
      sealedUnder(elsewhere, field('string', { domain: 'clinic-7' })),
      NO_KEY,
    ),
    attempt('b3 cleared', flip(mine.envelope, 1, 3), NO_KEY),
    attempt('b3 set on a local envelope', flip(local.envelope, 1, 3), MALFORMED),
    attempt(
      'local wrap behind a length, with b3',
      join([0xe1, 8], local.envelope.subarray(2, 10), uint(2, 40), local.envelope.subarray(10)),
      NO_KEY,
    ),
    attempt(
      'local wrap behind a length, with b3 and the id of a provider key',
      join([0xe1, 8], Buffer.from(wrapped.id, 'hex'), uint(2, 40), local.envelope.subarray(10)),
      FAILED,
      { unwraps: [asProvider(KEYS.first, local.dek)] },
    ),
    attempt('L one less', shorter(59), FAILED),
    attempt('L one more', shorter(61), FAILED),
    attempt('L = 0', shorter(0), MALFORMED),
    attempt('L past the end', shorter(1024), MALFORMED),
    attempt('L = 65535', shorter(65_535), MALFORMED),
    attempt('a provider envelope in a subject field', mine.envelope, 'ERR_ENVELOPE_FLAGS', {
      target: field('string', { subject: true }),
    }),
    attempt('a provider envelope in another field', mine.envelope, FAILED, {
      target: field('string', { fieldId: 'person.name' }),
    }),
  ]
}

const keyBlock = (flags, key, dekWrap) => join([0xe1, flags], Buffer.from(key.id, 'hex'), dekWrap)

/** `fromWrap` is the blob that the old provider unwraps to `dek`, `toWrap` the new one's answer. */
export function providerRewraps() {
  const localWrap = (key, dek) => ({ wrap: wrapDek(key, dek), bytes: null, flag: 0 })
  const blobWrap = (bytes) => ({ wrap: withLength(bytes), bytes, flag: FLAGS.providerWrapped })
  const build = (name, [from, fromWrap], [to, toWrap], target, row = null) => {
    const dek = fixedBytes(`dek ${name}`)
    const [before, after] = [fromWrap(from, dek), toWrap(to, dek)]
    const { envelope } = envelopeCase(name, target, 'Ada', {
      key: from,
      row,
      dek,
      kind: before.flag,
      wrap: () => before.wrap,
    })
    const rest = envelope.subarray(10 + before.wrap.length)
    const flags = (envelope[1] & 3) | after.flag
    return {
      name,
      from: from.id,
      to: to.id,
      dek,
      fromWrap: before.bytes,
      toWrap: after.bytes,
      envelope,
      rewrapped: join(keyBlock(flags, to, after.wrap), rest),
    }
  }
  const gcm = (key, dek) => blobWrap(BLOBS[60](key, dek, key.name))
  const keyWrap = (key, dek) => blobWrap(BLOBS[72](key, dek))
  const longest = (key) => blobWrap(blob(key.name, 1024))
  const [local, next] = [
    [KEYS.first, localWrap],
    [KEYS.second, localWrap],
  ]
  const bound = field('string', { rowBound: true, pad: 32 })
  return [
    build('local to provider', local, [wrapped, keyWrap], field('string')),
    build('local to provider, row-bound and padded', local, [wrapped, gcm], bound, ROWS.uuid),
    build('local to provider, longest', local, [wrapped, longest], field('string')),
    build('provider to local', [wrapped, keyWrap], next, field('string')),
    build('provider to local, row-bound and padded', [wrapped, longest], next, bound, ROWS.text),
    build('provider to provider', [wrapped, keyWrap], [rewrapped, gcm], field('string')),
    build(
      'provider to provider, there already',
      [rewrapped, gcm],
      [rewrapped, gcm],
      field('string'),
    ),
  ]
}

/** `to` is a local key: what fails, fails before anything is wrapped. */
export function providerRewrapFailures() {
  const mine = MINE()
  const other = OTHER()
  const local = envelopeCase('must fail, local', field('string'), 'Ada')
  const refuse = (name, envelope, code, options = {}) => ({
    name,
    envelope,
    from: wrapped.id,
    to: KEYS.second.id,
    unwraps: null,
    ...options,
    code,
  })
  return [
    refuse('DEK that the provider does not unwrap', mine.envelope, FAILED, { unwraps: [] }),
    refuse('provider answers another DEK', mine.envelope, FAILED, {
      unwraps: [{ ...unwrapOf(wrapped, mine), dek: other.dek }],
    }),
    refuse(
      'blob of another envelope',
      join(other.envelope.subarray(0, 72), mine.envelope.subarray(72)),
      FAILED,
    ),
    refuse('commitment changed', flip(mine.envelope, 80, 0), FAILED),
    refuse('another provider key', mine.envelope, NO_KEY, { from: rewrapped.id }),
    refuse('a local envelope, from a provider key', local.envelope, 'ERR_ENVELOPE_FLAGS'),
    refuse('a provider envelope, from a local key', mine.envelope, 'ERR_ENVELOPE_FLAGS', {
      from: KEYS.first.id,
    }),
    refuse(
      'L past the end',
      join(mine.envelope.subarray(0, 10), uint(2, 1024), mine.envelope.subarray(12)),
      MALFORMED,
    ),
  ]
}
