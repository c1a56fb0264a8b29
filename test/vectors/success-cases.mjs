import { field, fixedBytes, KEYS, ROOT_SECRET, ROWS, VALUES } from './fixtures.mjs'
import {
  aad,
  dekWrapKey,
  deriveKey,
  encodeValue,
  FLAGS,
  fieldIv,
  join,
  padded,
  recordKeys,
  rowIdBytes,
  sealEnvelope,
  toText,
  wrapDek,
} from './format-1.mjs'

/**
 * One envelope with everything that leads to it. `kind` is b2 or b3; with either, `wrap` makes what
 * stands between key id and commitment.
 */
export function envelopeCase(name, target, value, options = {}) {
  const { key = KEYS.first, row = null, dek, kind = 0, wrap = () => undefined } = options
  const secret = dek ?? fixedBytes(`dek ${name}`)
  const bound = target.rowBound ? FLAGS.rowBound : 0
  const flags = kind | bound | (target.pad === null ? 0 : FLAGS.padded)
  const encoded = encodeValue(target.type, value)
  const plaintext = target.pad === null ? encoded : padded(encoded, target.pad)
  const head = { wrappedDek: wrap(secret) }
  const envelope = sealEnvelope({ key, dek: secret, flags, field: target, row, plaintext, head })
  return {
    name,
    field: target,
    row,
    value,
    keyId: key.id,
    dek: secret,
    rowId: row && rowIdBytes(row),
    encoded,
    plaintext,
    aad: aad(flags, target.domain, target.fieldId, row),
    envelope,
    text: toText(envelope),
  }
}

const ofEveryType = () =>
  Object.entries(VALUES).flatMap(([type, values]) =>
    values.map((value, index) => envelopeCase(`${type} ${index}`, field(type), value)),
  )

const rowBound = () =>
  Object.entries(ROWS).map(([name, row]) =>
    envelopeCase(`row-bound, ${name}`, field('string', { rowBound: true }), 'Ada', { row }),
  )

const paddedCases = () =>
  [1, 16, 32, 4096].map((pad) =>
    envelopeCase(`padded to ${pad}`, field('string', { pad }), 'Ada Lovelace'),
  )

const exactFit = () => [
  envelopeCase('padded, nothing to add', field('string', { pad: 16 }), 'eleven char'),
  envelopeCase('padded, one byte over', field('string', { pad: 16 }), 'twelve chars'),
]

const both = () =>
  Object.entries(ROWS).map(([name, row]) =>
    envelopeCase(
      `row-bound and padded, ${name}`,
      field('date', { rowBound: true, pad: 32 }),
      '1815-12-10',
      { row },
    ),
  )

function oneRecord() {
  const dek = fixedBytes('dek of one record')
  const row = ROWS.uuid
  return [
    envelopeCase('record, field 1', field('string'), 'Ada', { dek }),
    envelopeCase('record, field 2', field('number', { pad: 16 }), '65000', { dek }),
    envelopeCase('record, field 3', field('date', { rowBound: true }), '1815-12-10', { dek, row }),
  ]
}

const otherKeys = () => [
  envelopeCase('second key version', field('string'), 'Ada', { key: KEYS.second }),
  envelopeCase('another domain', field('string', { domain: 'clinic-7' }), 'Ada', {
    key: KEYS.foreign,
  }),
  envelopeCase('longest names', field('string', { fieldId: `~${'f'.repeat(254)}` }), 'Ada'),
]

export const openCases = () => [
  ...ofEveryType(),
  ...rowBound(),
  ...paddedCases(),
  ...exactFit(),
  ...both(),
  ...oneRecord(),
  ...otherKeys(),
]

export function rewrapCases() {
  const { first, second } = KEYS
  const samples = [
    envelopeCase('rewrap, plain', field('string'), 'Ada'),
    envelopeCase('rewrap, row-bound', field('string', { rowBound: true }), 'Ada', {
      row: ROWS.text,
    }),
    envelopeCase('rewrap, padded', field('bytes', { pad: 64 }), 'ff'),
    envelopeCase('rewrap, there already', field('string'), 'Ada', { key: second }),
  ]
  return samples.map(({ name, dek, envelope }) => ({
    name,
    from: first.id,
    to: second.id,
    envelope,
    rewrapped: join(
      envelope.subarray(0, 2),
      Buffer.from(second.id, 'hex'),
      wrapDek(second, dek),
      envelope.subarray(50),
    ),
  }))
}

export const keyCases = () =>
  Object.values(KEYS).map((key) => ({
    ...key,
    ...deriveKey(ROOT_SECRET, key),
    dekWrapKey: key.purpose === 'data' ? dekWrapKey(key) : null,
  }))

export function recordCases() {
  return [KEYS.first, KEYS.foreign].map((key) => {
    const dek = fixedBytes(`dek of record key ${key.name}`)
    return { keyId: key.id, dek, wrappedDek: wrapDek(key, dek), ...recordKeys(dek, key.domain) }
  })
}

export const ivCases = () =>
  [field('string'), field('string', { domain: 'clinic-7' }), field('json')].map((target) => ({
    domain: target.domain,
    fieldId: target.fieldId,
    iv: fieldIv(target.domain, target.fieldId),
  }))
