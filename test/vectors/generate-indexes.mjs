// Writes tokens.json and buckets.json from docs/format.md "Index tokens", without the code under
// test: run `node test/vectors/generate-indexes.mjs` after adding a case. Both files are frozen by a
// hash in test/blind-index/vectors.test.ts; a line that changes is a break of the stored format.
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const u8 = (value) => Buffer.of(value)
const u32 = (value) => Buffer.of(value >>> 24, value >>> 16, value >>> 8, value)
const hex = (text) => Buffer.from(text, 'hex')

// -- values as T = type byte | value -------------------------------------------------------------

const TYPES = ['string', 'number', 'bigint', 'boolean', 'timestamp', 'date', 'bytes']

function encode(type, input) {
  return Buffer.concat([u8(TYPES.indexOf(type) + 1), encodeBody(type, input)])
}

function encodeBody(type, input) {
  const body = Buffer.alloc(8)
  if (type === 'number') body.writeDoubleBE(Number(input))
  else if (type === 'timestamp') body.writeBigInt64BE(BigInt(Date.parse(input)))
  else if (type === 'boolean') return u8(input ? 1 : 0)
  else if (type === 'bytes') return hex(input)
  else return Buffer.from(input, 'utf8')
  return body
}

// -- tokens --------------------------------------------------------------------------------------

const INDEX_KEK = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'

const DEFAULTS = {
  indexKek: INDEX_KEK,
  domain: 'default',
  kind: 'field',
  name: 'patient.email',
  normaliser: '',
  bits: 128,
  generation: 1,
  type: 'string',
  input: 'ada@example.com',
}

/** `normalised` is written by hand: what the normaliser must give for `input`. */
const TOKENS = [
  {},
  { generation: 2 },
  { generation: 255 },
  { domain: 'clinic-eu' },
  { name: 'patient.backup_email' },
  { kind: 'group', name: 'patient.email' },
  { kind: 'group', name: 'emails' },
  { indexKek: 'ff'.repeat(32) },
  // The same text with and without a normaliser: the normaliser is part of the key.
  { normaliser: 'lowercase@1', normalised: 'ada@example.com' },
  { normaliser: 'email@1', normalised: 'ada@example.com' },
  { normaliser: 'email@1', input: ' Ada@Example.COM\n', normalised: 'ada@example.com' },
  { normaliser: 'email@1', input: 'ada+a.b@x.org', normalised: 'ada+a.b@x.org' },
  { normaliser: 'email@1', input: 'ada@BÜCHER.example', normalised: 'ada@xn--bcher-kva.example' },
  {
    normaliser: 'email@1',
    input: 'ada@bu\u0308cher.example',
    normalised: 'ada@xn--bcher-kva.example',
  },
  { normaliser: 'email@1', input: 'ada@bü_cher.example', normalised: 'ada@bü_cher.example' },
  { normaliser: 'email@1', input: 'ada@127.1', normalised: 'ada@127.1' },
  { normaliser: 'lowercase@1', input: ' ÀDA ', normalised: ' àda ' },
  { normaliser: 'trim@1', input: '\u00a0Ada \t', normalised: 'Ada' },
  { normaliser: 'nfc@1', input: 'e\u0301', normalised: '\u00e9' },
  { normaliser: 'digits@1', input: '+44 (0)20 7946-0958', normalised: '4402079460958' },
  // An application's own: its rule is not of the format, its name and version are.
  { normaliser: 'phone@7', input: '0044 20', normalised: '4420' },
  { input: '' },
  { input: '\u{1f600}\0' },
  ...[8, 9, 12, 15, 16, 17, 64, 127].map((bits) => ({ bits })),
  { type: 'number', input: '0' },
  { type: 'number', input: '-0' },
  { type: 'number', input: '1' },
  { type: 'number', input: '-1.5' },
  { type: 'number', input: '5e-324' },
  { type: 'number', input: '1.7976931348623157e+308' },
  { type: 'bigint', input: '0' },
  { type: 'bigint', input: '1' },
  { type: 'bigint', input: '-18446744073709551616' },
  { type: 'boolean', input: true },
  { type: 'boolean', input: false },
  { type: 'timestamp', input: '1970-01-01T00:00:00.000Z' },
  { type: 'timestamp', input: '1815-12-10T12:34:56.789Z' },
  { type: 'date', input: '1815-12-10' },
  { type: 'bytes', input: '' },
  { type: 'bytes', input: '00ff10' },
]

function token(over) {
  const vector = { ...DEFAULTS, ...over }
  const zero = vector.type === 'number' && Number(vector.input) === 0
  const encoded = encode(vector.type, zero ? '0' : (vector.normalised ?? vector.input))
  const mac = createHmac('sha256', tokenKey(vector)).update(encoded).digest()
  const full = BigInt(`0x${mac.toString('hex')}`)
  const length = Math.ceil(vector.bits / 8)
  // The first `bits` bits of 256, moved to the top of `length` bytes.
  const cut = (full >> BigInt(256 - vector.bits)) << BigInt(length * 8 - vector.bits)
  const tokenHex =
    u8(vector.generation).toString('hex') + cut.toString(16).padStart(length * 2, '0')
  return { ...vector, encodedHex: encoded.toString('hex'), tokenHex }
}

function tokenKey({ indexKek, domain, kind, name, normaliser, bits, generation }) {
  const parts = [
    'mortise/1/index',
    domain,
    kind,
    name,
    'exact',
    normaliser,
    u32(bits),
    u8(generation),
  ]
  const info = parts.flatMap((part) => {
    const bytes = Buffer.from(part)
    return [u32(bytes.length), bytes]
  })
  return createHmac('sha256', hex(indexKek))
    .update(Buffer.concat([...info, u8(1)]))
    .digest()
}

// -- buckets: every result is written by hand ----------------------------------------------------

const BUCKETS = [
  bucketing('number', { step: 10_000 }, 'step:10000', 'double precision', [
    ['52340', '50000'],
    ['50000', '50000'],
    ['49999.99', '40000'],
    ['0', '0'],
    ['-0', '0'],
    ['-0.5', '-10000'],
    ['-10000', '-10000'],
    ['5e-324', '0'],
    ['-5e-324', '0'],
    ['-1e-300', '-10000'],
  ]),
  bucketing('number', { step: 0.1 }, 'step:0.1', 'double precision', [
    ['0.3', '0.2'],
    ['0.35', '0.30000000000000004'],
    ['-0.05', '-0.1'],
  ]),
  bucketing('number', { step: 1e-10 }, 'step:1e-10', 'double precision', [
    ['1e+308', 'Infinity'],
    ['-1e+308', '-Infinity'],
  ]),
  bucketing('number', { step: 1e308 }, 'step:1e+308', 'double precision', [
    ['1.7976931348623157e+308', '1e+308'],
    ['-1.7976931348623157e+308', '-Infinity'],
  ]),
  bucketing('bigint', { step: '10000' }, 'step:10000', 'numeric', [
    ['52340', '50000'],
    ['-1', '-10000'],
    ['-10000', '-10000'],
    ['0', '0'],
    ['1180591620717411303429', '1180591620717411300000'],
  ]),
  bucketing('number', { decimals: 2 }, 'decimals:2', 'double precision', [
    ['51.507351', '51.5'],
    ['-0.127758', '-0.13'],
    ['0.29', '0.28'],
    ['-0', '0'],
  ]),
  bucketing('number', { decimals: 0 }, 'decimals:0', 'double precision', [
    ['3.9', '3'],
    ['-3.1', '-4'],
  ]),
  bucketing('date', { truncate: 'year' }, 'truncate:year', 'date', [['1815-12-10', '1815-01-01']]),
  bucketing('date', { truncate: 'month' }, 'truncate:month', 'date', [
    ['1815-12-10', '1815-12-01'],
    ['0001-01-31', '0001-01-01'],
    ['9999-12-31', '9999-12-01'],
  ]),
  bucketing('date', { truncate: 'day' }, 'truncate:day', 'date', [['2000-02-29', '2000-02-29']]),
  bucketing('timestamp', { truncate: 'year' }, 'truncate:year', 'timestamp with time zone', [
    ['1815-12-10T23:59:59.999Z', '1815-01-01 00:00:00+00'],
    ['-004712-12-31T23:59:59.999Z', '4713-01-01 00:00:00+00 BC'],
  ]),
  bucketing('timestamp', { truncate: 'month' }, 'truncate:month', 'timestamp with time zone', [
    ['1815-12-10T23:59:59.999Z', '1815-12-01 00:00:00+00'],
    ['0000-12-31T23:59:59.999Z', '0001-12-01 00:00:00+00 BC'],
  ]),
  bucketing('timestamp', { truncate: 'day' }, 'truncate:day', 'timestamp with time zone', [
    ['1969-12-31T23:59:59.999Z', '1969-12-31 00:00:00+00'],
    ['0099-03-02T10:00:00.000Z', '0099-03-02 00:00:00+00'],
    ['+275760-09-13T00:00:00.000Z', '275760-09-13 00:00:00+00'],
  ]),
  bucketing('timestamp', { truncate: 'hour' }, 'truncate:hour', 'timestamp with time zone', [
    ['1815-12-10T23:59:59.999Z', '1815-12-10 23:00:00+00'],
  ]),
  bucketing('number', { edges: [0, 18, 65.5] }, 'edges:[0,18,65.5]', 'integer', [
    ['-5', '0'],
    ['-0', '1'],
    ['17.99', '1'],
    ['18', '2'],
    ['100', '3'],
  ]),
  bucketing(
    'bigint',
    { edges: ['-1', '18446744073709551616'] },
    'edges:["-1","18446744073709551616"]',
    'integer',
    [
      ['-2', '0'],
      ['18446744073709551615', '1'],
      ['18446744073709551616', '2'],
    ],
  ),
  bucketing(
    'date',
    { edges: ['1900-01-01', '2000-01-01'] },
    'edges:["1900-01-01","2000-01-01"]',
    'integer',
    [
      ['1815-12-10', '0'],
      ['1999-12-31', '1'],
      ['2000-01-01', '2'],
    ],
  ),
  bucketing(
    'timestamp',
    { edges: ['1970-01-01T00:00:00.000Z'] },
    'edges:["1970-01-01T00:00:00.000Z"]',
    'integer',
    [
      ['1969-12-31T23:59:59.999Z', '0'],
      ['1970-01-01T00:00:00.000Z', '1'],
    ],
  ),
  bucketing(
    'string',
    { edges: ['H', '\uff01', '\u{1f600}'] },
    'edges:["H","\uff01","\u{1f600}"]',
    'integer',
    [
      ['Ada', '0'],
      ['H', '1'],
      ['h', '1'],
      ['\uff02', '2'],
      ['\u{1f601}', '3'],
    ],
  ),
  bucketing('string', { prefix: 3 }, 'prefix:3', 'text', [
    ['Lovelace', 'Lov'],
    ['Ad', 'Ad'],
    ['', ''],
    ['\u{1f600}\u{1f601}\u{1f602}x', '\u{1f600}\u{1f601}\u{1f602}'],
    ['e\u0301te', 'e\u0301t'],
    ['abc\0', 'abc'],
  ]),
].flat()

function bucketing(type, range, parameters, columnType, cases) {
  return cases.map(([input, bucket]) => ({ type, range, parameters, columnType, input, bucket }))
}

const MUST_FAIL_TOKENS = [
  { type: 'string', normaliser: 'email@1', input: 'ada@ü.xn--a', error: 'ERR_VALUE_INVALID' },
  { type: 'number', normaliser: '', input: 'Infinity', error: 'ERR_VALUE_INVALID' },
  { type: 'date', normaliser: '', input: '2001-02-29', error: 'ERR_VALUE_INVALID' },
]

const MUST_FAIL_BUCKETS = [
  {
    type: 'timestamp',
    range: { truncate: 'year' },
    input: '-004713-12-31T23:59:59.999Z',
    error: 'ERR_VALUE_INVALID',
  },
  { type: 'string', range: { prefix: 3 }, input: 'ab\0', error: 'ERR_VALUE_INVALID' },
  { type: 'date', range: { truncate: 'month' }, input: '2001-02-29', error: 'ERR_VALUE_INVALID' },
  { type: 'date', range: { truncate: 'hour' }, input: '2001-02-28', error: 'ERR_FIELD_INVALID' },
  { type: 'number', range: { edges: [1, 1] }, input: '1', error: 'ERR_FIELD_INVALID' },
  { type: 'string', range: { step: 10 }, input: '1', error: 'ERR_FIELD_INVALID' },
]

// -- files ---------------------------------------------------------------------------------------

const INPUTS = [
  'input: JSON form of the value. string and date: itself. number and bigint: decimal text, "-0"',
  'included. boolean: true or false. timestamp: ISO 8601 in UTC, with a signed six-digit year outside',
  '0000..9999 (year 0000 is 1 BC). bytes: hex.',
]

write('tokens.json', {
  description: [
    'Exact tokens of format 1.',
    'indexKek: 32 bytes, hex. kind, name: ("field", field id) or ("group", group name).',
    'normaliser: "" or name@version; normalised: what it gives for input, absent without one.',
    ...INPUTS,
    'encodedHex: T = type byte | value after the normaliser, -0 written as 0.',
    'index key = HMAC-SHA-256(indexKek, E("mortise/1/index", domain, kind, name, "exact", normaliser,',
    'u32(bits), u8(generation)) | 0x01), E(a, b, ...) = LP(a) | LP(b) | ..., LP(x) = u32(len x) | x.',
    'tokenHex: u8(generation) | first ceil(bits/8) bytes of HMAC-SHA-256(index key, T), unused low',
    'bits of the last byte zero.',
    'mustFail: making a token of input gives error.',
  ],
  vectors: TOKENS.map(token),
  mustFail: MUST_FAIL_TOKENS,
})

write('buckets.json', {
  description: [
    'Range buckets of format 1, kept in clear in the _lofi column.',
    'range: the declaration; exactly one of step, decimals, truncate, edges, prefix. A step or edges of',
    'a bigint are decimal text, edges of a timestamp are ISO 8601. parameters: its canonical text.',
    'columnType: PostgreSQL type; text has collation "C".',
    ...INPUTS,
    'bucket, as text: number step floor(v / step) * step and decimals floor(v * 10^d) / 10^d in IEEE',
    'doubles, -0 written as 0, shortest decimal text, "Infinity" where it overflows; bigint step:',
    'greatest multiple not above v; truncate: first instant (UTC) or day of the span; edges: how many',
    'are <= v; prefix: first code points. Strings are ordered by code point.',
    'mustFail: declaring the range (ERR_FIELD_INVALID) or bucketing input (ERR_VALUE_INVALID) fails.',
  ],
  vectors: BUCKETS,
  mustFail: MUST_FAIL_BUCKETS,
})

function write(name, content) {
  writeFileSync(join(import.meta.dirname, name), `${JSON.stringify(content, null, 2)}\n`)
}
