// Keys, fields and rows that all vectors share. Every byte follows from a label, so that the files
// can be made again and compared; none of it may ever protect anything.
import { createHash } from 'node:crypto'

export const fixedBytes = (label) =>
  createHash('sha256').update(`mortise test vector: ${label}`).digest()

export const ROOT_SECRET = fixedBytes('root secret')

const key = (name, domain, purpose, version, state) => ({
  name,
  id: fixedBytes(`key id ${name}`).subarray(0, 8).toString('hex'),
  domain,
  purpose,
  version,
  state,
  kek: fixedBytes(`kek ${name}`),
})

export const KEYS = {
  first: key('first', 'default', 'data', 1, 'decrypt-only'),
  second: key('second', 'default', 'data', 2, 'active'),
  disabled: key('disabled', 'default', 'data', 3, 'disabled'),
  index: key('index', 'default', 'index', 1, 'active'),
  foreign: key('foreign', 'clinic-7', 'data', 1, 'active'),
}

const keyId = (name) => fixedBytes(`key id ${name}`).subarray(0, 8).toString('hex')

/** Rows without key material: their provider wraps DEKs itself. */
export const PROVIDER_KEYS = Object.fromEntries(
  [
    ['wrapped', 'default', 4, 'decrypt-only'],
    ['rewrapped', 'default', 5, 'active'],
    ['off', 'default', 6, 'disabled'],
    ['elsewhere', 'clinic-7', 2, 'active'],
  ].map(([name, domain, version, state]) => [
    name,
    { name, id: keyId(`provider ${name}`), domain, purpose: 'data', version, state },
  ]),
)

/** Index KEKs that subject_refs are made under, by domain. */
export const SUBJECT_INDEX_KEKS = {
  default: KEYS.index.kek,
  'clinic-7': fixedBytes('kek index of clinic-7'),
}

export const SUBJECTS = {
  tenant: '42',
  person: '0190a5b2-7c1e-7d3f-8a4b-5c6d7e8f9a0b',
  text: 'Zoë/№ 7',
}

const subjectKey = (name, subject, kekName, state = 'live') => ({
  name,
  id: keyId(`subject ${name}`),
  domain: KEYS[kekName].domain,
  subject,
  kek: KEYS[kekName],
  key: fixedBytes(`subject key ${name}`),
  state,
})

export const SUBJECT_KEYS = {
  tenant: subjectKey('tenant', SUBJECTS.tenant, 'first'),
  person: subjectKey('person', SUBJECTS.person, 'second'),
  text: subjectKey('text', SUBJECTS.text, 'second'),
  foreign: subjectKey('foreign', SUBJECTS.tenant, 'foreign'),
  destroyed: subjectKey('destroyed', 'erased', 'second', 'destroyed'),
}

/** The AES-256 root key that an HSM would hold. */
export const HSM_ROOT_KEY = fixedBytes('hsm root key')

export const ROWS = {
  uuid: { kind: 'uuid', value: '0190a5b2-7c1e-7d3f-8a4b-5c6d7e8f9a0b' },
  integer: { kind: 'integer', value: '9007199254740993' },
  negative: { kind: 'integer', value: '-42' },
  text: { kind: 'text', value: 'Zoë/№ 7' },
}

export const field = (type, options = {}) => ({
  domain: 'default',
  fieldId: `person.${type}`,
  type,
  rowBound: false,
  pad: null,
  ...options,
})

/** Values in vector form, by type. */
export const VALUES = {
  string: ['', 'Ada Lovelace', 'naïve 東京 \u{1f511} \u0000 e\u0301', 'x'.repeat(300)],
  number: ['0', '-0', '1', '-1.5', '5e-324', '1.7976931348623157e+308', '9007199254740991'],
  bigint: ['0', '-1', '123456789012345678901234567890'],
  boolean: [true, false],
  timestamp: [0, -1, 1_700_000_000_123, 8_640_000_000_000_000, -8_640_000_000_000_000],
  date: ['0001-01-01', '1815-12-10', '2000-02-29', '9999-12-31'],
  bytes: ['', '00', 'e1000102ff'],
  json: [
    '{}',
    '[]',
    'false',
    '0',
    '""',
    '{"2":"é","allergies":["nuts",null],"weight":1e+21,"n":1e-7}',
    '"\\ud83d\\u0000\\"\\\\\\n"',
  ],
}
