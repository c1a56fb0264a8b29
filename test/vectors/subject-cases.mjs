// Subject keys: what they derive from, how they are stored, and envelopes under them (b2).
import { field, fixedBytes, KEYS, ROWS, SUBJECT_INDEX_KEKS, SUBJECT_KEYS } from './fixtures.mjs'
import {
  FLAGS,
  flip,
  join,
  recordKeys,
  sealEnvelope,
  subjectDekWrapKey,
  subjectRef,
  wrapDek,
  wrapDekForSubject,
  wrapSubjectKey,
} from './format-1.mjs'
import { envelopeCase } from './success-cases.mjs'

const FAILED = 'ERR_DECRYPTION_FAILED'
const WRONG_FLAGS = 'ERR_ENVELOPE_FLAGS'
const MALFORMED = 'ERR_ENVELOPE_MALFORMED'

const { tenant, person, text, foreign, destroyed } = SUBJECT_KEYS

const refOf = ({ domain, subject }, generation = 1) =>
  subjectRef(SUBJECT_INDEX_KEKS[domain], domain, generation, subject).subjectRef

/** What an application may give as a subject's id, and the text that it means. */
export const idCases = () =>
  [
    ['text', 'tenant-7', 'tenant-7'],
    ['text', ' Tenant ', ' Tenant '],
    ['text', '42', '42'],
    ['integer', '42', '42'],
    ['integer', '0', '0'],
    ['integer', '-42', '-42'],
    ['integer', '9007199254740993', '9007199254740993'],
    ['text', person.subject.toUpperCase(), person.subject],
    ['text', person.subject.replaceAll('-', '').toUpperCase(), null],
    ['text', 'e\u0301', 'e\u0301'],
  ].map(([type, input, canonical]) => ({ type, input, canonical: canonical ?? input }))

export const refCases = () =>
  [
    ...Object.values(SUBJECT_KEYS).map(({ domain, subject }) => [domain, subject, 1]),
    ['default', tenant.subject, 2],
    ['default', tenant.subject, 255],
    ['default', 'x'.repeat(300), 1],
  ].map(([domain, subject, generation]) => ({
    domain,
    indexKek: SUBJECT_INDEX_KEKS[domain],
    generation,
    subject,
    ...subjectRef(SUBJECT_INDEX_KEKS[domain], domain, generation, subject),
  }))

const stored = (key, kek = key.kek, ref = refOf(key)) => wrapSubjectKey(kek.kek, key, ref)

export const subjectKeyCases = () =>
  Object.values(SUBJECT_KEYS).map((key) => ({
    name: key.name,
    id: key.id,
    domain: key.domain,
    subject: key.subject,
    subjectRef: refOf(key),
    state: key.state,
    kekId: key.kek.id,
    key: key.key,
    wrapped: stored(key),
    dekWrapKey: subjectDekWrapKey(key),
  }))

export const subjectKeyRewraps = () => [
  {
    name: 'to the next KEK',
    id: tenant.id,
    from: KEYS.first.id,
    to: KEYS.second.id,
    wrapped: stored(tenant),
    rewrapped: stored(tenant, KEYS.second),
  },
]

/** Rows of the key store that were changed: the key that they hold does not open. */
export function subjectKeyFailures() {
  const row = (name, changes) => ({
    name,
    id: tenant.id,
    domain: tenant.domain,
    subjectRef: refOf(tenant),
    kekId: tenant.kek.id,
    wrapped: stored(tenant),
    ...changes,
    code: 'ERR_KEY_INTEGRITY',
  })
  return [
    row('the ref of another subject', { subjectRef: refOf(text) }),
    row('the ref of another generation', { subjectRef: refOf(tenant, 2) }),
    row('another id', { id: text.id }),
    row('another KEK', { kekId: KEYS.second.id }),
    row('the wrap of another subject key', { wrapped: stored(text) }),
    row('wrapped for another domain', { wrapped: stored({ ...tenant, domain: 'clinic-7' }) }),
    row('one bit changed', { wrapped: flip(stored(tenant), 39, 0) }),
    row('cut short', { wrapped: stored(tenant).subarray(0, 39) }),
    row('wrapped as a DEK of the KEK', { wrapped: wrapDek(KEYS.first, tenant.key) }),
  ]
}

const subjectField = (type, options) => field(type, { subject: true, ...options })

/** An envelope under a subject key, with the ref that its row must give. */
function sealedFor(key, name, target, value, options = {}) {
  const wrap = (dek) => wrapDekForSubject(key, dek)
  const vector = envelopeCase(name, target, value, {
    ...options,
    key,
    kind: FLAGS.subjectKey,
    wrap,
  })
  return { ...vector, subjectRef: refOf(key) }
}

function allFlags() {
  const options = { uuid: ROWS.uuid, text: ROWS.text }
  return [
    sealedFor(tenant, 'subject', subjectField('string'), 'Ada'),
    sealedFor(tenant, 'subject, padded', subjectField('string', { pad: 32 }), 'Ada'),
    ...Object.entries(options).flatMap(([name, row]) => [
      sealedFor(
        tenant,
        `subject, row-bound, ${name}`,
        subjectField('date', { rowBound: true }),
        '1815-12-10',
        { row },
      ),
      sealedFor(
        tenant,
        `subject, row-bound and padded, ${name}`,
        subjectField('date', { rowBound: true, pad: 16 }),
        '1815-12-10',
        { row },
      ),
    ]),
  ]
}

function oneRecord() {
  const dek = fixedBytes('dek of one subject record')
  return [
    sealedFor(person, 'subject record, field 1', subjectField('string'), 'Ada', { dek }),
    sealedFor(person, 'subject record, field 2', subjectField('number', { pad: 16 }), '-0', {
      dek,
    }),
  ]
}

export const subjectOpenCases = () => [
  ...allFlags(),
  ...oneRecord(),
  sealedFor(text, 'subject, text id', subjectField('json'), '{"a":1}'),
  sealedFor(
    foreign,
    'subject of another domain',
    subjectField('bytes', { domain: 'clinic-7' }),
    'ff',
  ),
]

const PLAIN = subjectField('string')
const BOUND = subjectField('string', { rowBound: true })

/** One bit of every byte, and every bit of the flags. */
function bitFlips({ envelope }, attempt) {
  const codeOf = (offset, bit) => {
    if (offset === 0) return bit < 4 ? 'ERR_ENVELOPE_VERSION' : MALFORMED
    if (offset === 1) return [WRONG_FLAGS, FAILED, WRONG_FLAGS][bit] ?? MALFORMED
    return offset < 10 ? 'ERR_KEY_NOT_FOUND' : FAILED
  }
  return Array.from(envelope, (_, offset) => {
    const bits = offset === 1 ? [0, 1, 2, 3, 4, 5, 6, 7] : [(offset * 3) % 8]
    return bits.map((bit) =>
      attempt(
        `subject: bit ${bit} of byte ${offset}`,
        flip(envelope, offset, bit),
        codeOf(offset, bit),
      ),
    )
  }).flat()
}

export function subjectOpenFailures() {
  const ref = refOf(tenant)
  const attempt = (
    name,
    envelope,
    code,
    { target = PLAIN, row = null, subjectRef = ref } = {},
  ) => ({
    name,
    envelope,
    field: target,
    row,
    subjectRef,
    code,
  })
  const mine = sealedFor(tenant, 'must fail, subject', PLAIN, 'Ada')
  const bound = sealedFor(tenant, 'must fail, bound subject', BOUND, 'Ada', { row: ROWS.uuid })
  const theirs = sealedFor(text, 'must fail, other subject', PLAIN, 'Ada')
  const local = envelopeCase('must fail, no subject', field('string'), 'Ada')
  const forged = (name, head, code = FAILED, key = tenant) => {
    const dek = fixedBytes(`dek ${name}`)
    const wrappedDek = head.wrap?.(dek) ?? wrapDekForSubject(tenant, dek)
    const { encoded: plaintext } = mine
    const parts = { ...head, wrappedDek, commitment: head.commitment?.(dek) }
    const flags = FLAGS.subjectKey
    return attempt(
      name,
      sealEnvelope({ key, dek, flags, field: PLAIN, plaintext, head: parts }),
      code,
    )
  }
  const withPlainFlags = field('string')
  return [
    ...bitFlips(mine, attempt),
    ...Array.from(mine.envelope, (_, length) =>
      attempt(
        `subject: cut to ${length} bytes`,
        mine.envelope.subarray(0, length),
        length < 99 ? MALFORMED : FAILED,
      ),
    ),
    attempt('the ref of another subject', mine.envelope, FAILED, { subjectRef: refOf(text) }),
    attempt('the ref of another generation', mine.envelope, FAILED, {
      subjectRef: refOf(tenant, 2),
    }),
    attempt('the ref of the subject in another domain', mine.envelope, FAILED, {
      subjectRef: refOf(foreign),
    }),
    attempt('a ref cut short', mine.envelope, FAILED, { subjectRef: ref.subarray(0, 16) }),
    attempt('an empty ref', mine.envelope, FAILED, { subjectRef: Buffer.alloc(0) }),
    attempt('no ref', mine.envelope, 'ERR_ROW_UNKNOWN', { subjectRef: null }),
    attempt('no ref, row-bound', bound.envelope, 'ERR_ROW_UNKNOWN', {
      target: BOUND,
      row: ROWS.uuid,
      subjectRef: null,
    }),
    attempt('a ref, but no row id', bound.envelope, 'ERR_ROW_UNKNOWN', { target: BOUND }),
    attempt('the row of another', bound.envelope, FAILED, { target: BOUND, row: ROWS.integer }),
    attempt('the envelope of another subject', theirs.envelope, FAILED),
    attempt(
      'key block of another subject',
      join(theirs.envelope.subarray(0, 50), mine.envelope.subarray(50)),
      FAILED,
    ),
    attempt(
      'key block and commitment of another subject',
      join(theirs.envelope.subarray(0, 82), mine.envelope.subarray(82)),
      FAILED,
    ),
    attempt(
      'key block of another record',
      join(
        sealedFor(tenant, 'must fail, other record of the subject', PLAIN, 'Ada').envelope.subarray(
          0,
          50,
        ),
        mine.envelope.subarray(50),
      ),
      FAILED,
    ),
    attempt('b2 cleared', flip(mine.envelope, 1, 2), WRONG_FLAGS),
    attempt(
      'b2 cleared, in a field without a subject',
      flip(mine.envelope, 1, 2),
      'ERR_KEY_NOT_FOUND',
      { target: withPlainFlags, subjectRef: null },
    ),
    attempt('a subject envelope in a field without a subject', mine.envelope, WRONG_FLAGS, {
      target: withPlainFlags,
      subjectRef: null,
    }),
    attempt('an envelope without a subject in a subject field', local.envelope, WRONG_FLAGS),
    attempt(
      'b2 set on an envelope without a subject',
      flip(local.envelope, 1, 2),
      'ERR_KEY_NOT_FOUND',
    ),
    forged('id of another subject key', { keyId: Buffer.from(text.id, 'hex') }),
    forged('DEK wrapped by another subject key', { wrap: (dek) => wrapDekForSubject(text, dek) }),
    forged('DEK wrapped by the KEK of the subject', { wrap: (dek) => wrapDek(tenant.kek, dek) }),
    forged('DEK wrapped for another domain', {
      wrap: (dek) => wrapDekForSubject({ ...tenant, domain: 'clinic-7' }, dek),
    }),
    forged('DEK wrapped for another subject key id', {
      wrap: (dek) => wrapDekForSubject({ ...tenant, id: text.id }, dek),
    }),
    forged('commitment of another domain', {
      commitment: (dek) => recordKeys(dek, 'clinic-7').commitment,
    }),
    forged(
      'subject key of another domain',
      { wrap: (dek) => wrapDekForSubject(foreign, dek) },
      'ERR_KEY_NOT_FOUND',
      foreign,
    ),
    forged(
      'subject key that was destroyed',
      { wrap: (dek) => wrapDekForSubject(destroyed, dek) },
      'ERR_SUBJECT_SHREDDED',
      destroyed,
    ),
  ]
}
