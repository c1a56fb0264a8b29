import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { tokenOf, tokensOf } from '../../src/blind-index/token'
import { nativeAddon } from '../../src/crypto/native'
import { randomBytes } from '../../src/crypto/random'
import { encodeValue } from '../../src/envelope/codec'
import { attempt } from '../../src/envelope/one-value'
import { type KeyLookup, keyNameOf } from '../../src/envelope/open'
import type { OpenAs, OpenInput } from '../../src/envelope/open-one'
import { openPages } from '../../src/envelope/open-pages'
import { rewrapKeyBlock } from '../../src/envelope/rewrap'
import { rewrapKeyBlocks } from '../../src/envelope/rewrap-many'
import { sealRecordByProvider } from '../../src/envelope/seal'
import { VALUE_TYPES, type ValueType } from '../../src/envelope/value-type'
import type { DataKey, KeyKind, SubjectKey } from '../../src/keys/access'
import { keysOf, testField, testKey, testProvider, testSubjectKey } from '../envelope/keys'
import {
  contextOf,
  dataKey,
  hex,
  openingKeys,
  readVectors,
  rowIdOf,
  type Unwrap,
  type VectorField,
  type VectorRow,
} from '../vectors/load'
import { addon, expectSame, type LocalRecord, openBothWays, sealBothWays } from './both-paths'
import { VALUES } from './values'

// Whichever path works on a value, nobody can tell: the same bytes, values and errors.
vi.mock('../../src/crypto/random')
afterEach(() => vi.resetAllMocks())

const slow = process.env.SLOW === '1'
const numRuns = slow ? 2000 : 60
const suite = describe.skipIf(nativeAddon() === null)

const SUBJECTS = ['a', 'b', 'c']
const FIELDS = ['person.name', 'person.email', 'person.note']
const DOMAINS = ['default', 'other']

/** Values that take more than one block of AES, and more than one byte of a length. */
const long = (type: ValueType): fc.Arbitrary<unknown> => {
  const length = fc.integer({ min: 200, max: 5000 })
  if (type === 'string') return length.map((n) => 'ä€ '.repeat(n / 3))
  if (type === 'json') return length.map((n) => Array.from({ length: n / 8 }, (_, i) => i))
  if (type === 'bytes') return length.map((n) => Buffer.alloc(n, n))
  return VALUES[type]
}

interface Value {
  readonly type: ValueType
  readonly value: unknown
  readonly rowBound: boolean
  readonly pad: number | null
  readonly compressed: boolean
}

const anyValue = fc.constantFrom(...VALUE_TYPES).chain(
  (type): fc.Arbitrary<Value> =>
    fc.record({
      type: fc.constant(type),
      value: fc.oneof({ weight: 5, arbitrary: VALUES[type] }, long(type)),
      rowBound: fc.boolean(),
      pad: fc.constantFrom(null, null, 1, 16, 300),
      compressed: type === 'string' || type === 'json' ? fc.boolean() : fc.constant(false),
    }),
)

/** What the values of a record are made from: at most one for each field, under one DEK. */
const recipe = fc.record({
  domain: fc.constantFrom(...DOMAINS),
  key: fc.oneof(fc.constantFrom('data 1', 'data 2'), fc.constantFrom(...SUBJECTS)),
  row: fc.string({ unit: 'binary', maxLength: 12 }),
  values: fc.array(anyValue, { minLength: 1, maxLength: FIELDS.length }),
})
type Recipe = typeof recipe extends fc.Arbitrary<infer R> ? R : never

const keyNamed = (name: string, domain: string): DataKey | SubjectKey =>
  SUBJECTS.includes(name) ? testSubjectKey(name, domain) : testKey(name, domain)

const KEYS = ['data 1', 'data 2', ...SUBJECTS].flatMap((name) =>
  DOMAINS.map((domain) => keyNamed(`${name}`, domain)),
)
/** Keys of equal names have equal ids in every domain: a key is found in one of them only. */
const keyOfDomain = (domain: string) => keysOf(...KEYS.filter((key) => key.domain === domain))

function recordOf({ domain, key, row, values }: Recipe): LocalRecord {
  const rowId = Buffer.from(`\x01${row}`)
  const sealing = keyNamed(key, domain)
  return {
    key: sealing,
    values: values.map(({ value, ...one }, i) => ({
      field: testField({ ...one, domain, fieldId: FIELDS[i]!, subject: 'subjectRef' in sealing }),
      encoded: encodeValue(one.type, value, 'f'),
      rowId,
    })),
  }
}

/** All that it takes to open what was sealed. */
function inputsOf(records: readonly LocalRecord[], envelopes: readonly Buffer[][]): OpenInput[] {
  return records.flatMap(({ key, values }, record) =>
    values.map(({ field, rowId }, i) => ({
      envelope: envelopes[record]![i]!,
      field,
      rowId,
      subjectRef: 'subjectRef' in key ? key.subjectRef : undefined,
    })),
  )
}

/** One of the ways to damage an envelope, or to open it elsewhere than where it was sealed. */
const damage = fc.oneof(
  fc.record({ what: fc.constant('bit' as const), at: fc.nat() }),
  fc.record({ what: fc.constant('byte' as const), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ what: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ what: fc.constant('flags' as const), at: fc.nat(255) }),
  fc.record({ what: fc.constantFrom('append', 'swap', 'none' as const), at: fc.nat(200) }),
  fc.record({ what: fc.constantFrom('field', 'domain', 'type', 'row', 'no row' as const) }),
  fc.record({ what: fc.constantFrom('subject', 'no subject', 'declared' as const) }),
)
type Damage = typeof damage extends fc.Arbitrary<infer D> ? D : never

function damaged(input: OpenInput, how: Damage, other: OpenInput): OpenInput {
  const envelope = Buffer.from(input.envelope)
  const { field } = input
  const at = 'at' in how ? how.at % Math.max(1, envelope.length) : 0
  switch (how.what) {
    case 'bit':
      envelope[at]! ^= 1 << (at & 7)
      return { ...input, envelope }
    case 'byte':
      envelope[at] = 'byte' in how ? how.byte : 0
      return { ...input, envelope }
    case 'cut':
      return { ...input, envelope: envelope.subarray(0, at) }
    case 'flags':
      envelope[1] = at
      return { ...input, envelope }
    case 'append':
      return { ...input, envelope: Buffer.concat([envelope, Buffer.alloc(at)]) }
    case 'swap':
      return {
        ...input,
        envelope: Buffer.concat([other.envelope.subarray(0, at), envelope.subarray(at)]),
      }
    case 'field':
      return { ...input, field: testField({ ...field, fieldId: 'another' }) }
    case 'domain':
      return { ...input, field: testField({ ...field, domain: 'other' }) }
    case 'type':
      return { ...input, field: testField({ ...field, type: 'bytes', compressed: false }) }
    case 'row':
      return { ...input, rowId: other.rowId }
    case 'no row':
      return { ...input, rowId: undefined }
    case 'subject':
      return { ...input, subjectRef: other.subjectRef }
    case 'no subject':
      return { ...input, subjectRef: undefined }
    case 'declared':
      return {
        ...input,
        field: testField({ ...field, rowBound: !field.rowBound, subject: !field.subject }),
      }
    default:
      return input
  }
}

/** One envelope of each kind, with a row, a padding and a value that is not ASCII. */
async function oneOfEach(): Promise<{ inputs: OpenInput[]; keyOf: KeyLookup }> {
  const rest = { row: 'r', values: [{ ...plain, value: 'Zoë', rowBound: true, pad: 16 }] }
  const records = ['data 1', 'a'].map((key) => recordOf({ domain: 'default', key, ...rest }))
  const inputs = inputsOf(records, await sealBothWays(records))
  const provider = testProvider('p', 40)
  const [{ field, rowId, encoded }] = records[0]!.values as [LocalRecord['values'][0]]
  vi.mocked(randomBytes).mockReturnValue(Buffer.alloc(32, 7))
  const [envelope] = await sealRecordByProvider(provider.key, [{ field, rowId, encoded }])
  const keyOf = keysOf(...KEYS.filter(({ domain }) => domain === 'default'), provider.deks)
  return { inputs: [...inputs, { envelope: envelope!, field, rowId }], keyOf }
}

const plain = {
  type: 'string',
  value: 'Ada',
  rowBound: false,
  pad: null,
  compressed: false,
} as const

suite('the native path (skipped where the addon is not built or switched off)', () => {
  test('seals the same bytes, and opens them to the same values', async () => {
    const page = fc.tuple(
      fc.array(recipe, { minLength: 1, maxLength: 8 }),
      fc.constantFrom<OpenAs>('value', 'encoded', 'unlocked'),
    )
    await fc.assert(
      fc.asyncProperty(page, async ([recipes, as]) => {
        const records = recipes.map(recordOf)
        const inputs = inputsOf(records, await sealBothWays(records))
        for (const domain of DOMAINS) {
          const own = inputs.filter(({ field }) => field.domain === domain)
          const opened = await openBothWays(keyOfDomain(domain), own, as)
          expect(opened.some(isRefused)).toBe(false)
        }
      }),
      { numRuns },
    )
  })

  test('opens what was damaged or moved to the same errors, and the rest of its page', async () => {
    const page = fc.array(fc.tuple(recipe, fc.array(damage, { maxLength: 3 })), {
      minLength: 1,
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(page, fc.nat(), async (parts, shift) => {
        const records = parts.map(([one]) => recordOf(one))
        const sealed = inputsOf(records, await sealBothWays(records))
        const hows = parts.flatMap(([{ values }, how]) => values.map(() => how))
        const inputs = sealed.flatMap((input, i) => {
          const other = sealed[(i + shift) % sealed.length] as OpenInput
          const twice = hows[i]!.reduce((worse, how) => damaged(worse, how, other), input)
          return [...hows[i]!.map((how) => damaged(input, how, other)), twice, input]
        })
        await openBothWays(keyOfDomain('default'), inputs)
        await openBothWays(keyOfDomain('default'), inputs, 'unlocked')
      }),
      { numRuns: numRuns * 3 },
    )
  })

  test('opens each single-bit change of an envelope to the same error', async () => {
    const { inputs, keyOf } = await oneOfEach()
    for (const input of inputs) {
      const changes = Array.from({ length: input.envelope.length * 8 }, (_, bit) => {
        const envelope = Buffer.from(input.envelope)
        envelope[bit >> 3]! ^= 1 << (bit & 7)
        return { ...input, envelope }
      })
      const opened = await openBothWays(keyOf, [input, ...changes, input])
      expect([opened.at(0), opened.at(-1)]).toEqual(['Zoë', 'Zoë'])
      expect(opened.filter(isRefused)).toHaveLength(changes.length)
      await openBothWays(keyOf, [input, ...changes, input], 'unlocked')
    }
  })

  test('opens each truncation of an envelope to the same error, whatever its flags', async () => {
    const { inputs, keyOf } = await oneOfEach()
    for (const input of inputs) {
      for (const flags of [input.envelope[1]!, 0, 1, 4, 8, 12, 16]) {
        const cut = Array.from(input.envelope, (_, length) => {
          const envelope = Buffer.from(input.envelope.subarray(0, length))
          if (length > 1) envelope[1] = flags
          return { ...input, envelope }
        })
        const opened = await openBothWays(keyOf, cut)
        expect(opened.filter(isRefused)).toHaveLength(cut.length)
        await openBothWays(keyOf, cut, 'unlocked')
      }
    }
  })

  test('works on more than fits a page, with many keys and long values, beside the loop', async () => {
    const records = Array.from({ length: 2500 }, (_, i): LocalRecord => {
      const subject = i % 7 === 0
      const domain = i % 1000 < 500 ? 'default' : 'other'
      const key = subject ? testSubjectKey(`s ${i % 91}`, domain) : testKey(`k ${i % 40}`, domain)
      const text = i % 500 === 3 ? 'long'.repeat(100_000) : `value ${i}`
      const values = FIELDS.slice(0, 1 + (i % 3)).map((fieldId) => ({
        field: testField({ domain, fieldId, subject, rowBound: i % 2 === 0 }),
        encoded: encodeValue('string', `${fieldId} ${text}`, 'f'),
        rowId: Buffer.from(`\x03${i}`),
      }))
      return { key, values }
    })
    const inputs = inputsOf(records, await sealBothWays(records))
    const keys = new Map(records.map(({ key }) => [`${key.domain} ${key.id}`, key]))
    const mixed = inputs.map((input, i) =>
      i % 97 === 5 ? damaged(input, { what: 'bit', at: i }, input) : input,
    )
    for (const domain of DOMAINS) {
      const keyOf = keysOf(...[...keys.values()].filter((key) => key.domain === domain))
      const own = mixed.filter(({ field }) => field.domain === domain)
      const opened = await openBothWays(keyOf, own)
      const refused = opened.filter(isRefused).length
      expect(refused).toBeGreaterThan(10)
      expect(refused).toBeLessThan(60)
    }
  })

  test('opens what the caller changes meanwhile to what it was, or to errors: nothing moves', async () => {
    const records = Array.from({ length: 600 }, (_, i) =>
      recordOf({
        domain: 'default',
        key: 'data 1',
        row: '',
        values: [{ ...plain, value: `Ada ${i}` }],
      }),
    )
    const inputs = inputsOf(records, await sealBothWays(records)).map((input) => ({
      ...input,
      envelope: Uint8Array.from(input.envelope),
    }))
    const opening = openPages(addon(), keyOfDomain('default'), inputs, 'value')
    for (const { envelope } of inputs.slice(0, 300))
      structuredClone(envelope, { transfer: [envelope.buffer] })
    expect(await opening).toEqual(records.map((_, i) => `Ada ${i}`))
  })
})

const isRefused = (result: unknown) =>
  typeof result === 'object' && result !== null && 'code' in result

suite('vectors on the native path (skipped without the addon)', () => {
  interface Vector {
    name: string
    envelope: string
    field: VectorField
    row: VectorRow
    subjectRef?: string | null
    unwraps?: Unwrap[] | null
    keyId: string
    wrappedDek?: string
    dek: string
    code?: string
  }
  type File = Record<'open' | 'subject' | 'provider', Vector[]> & { providerUnwraps: Unwrap[] }
  const inputOf = ({ envelope, field, row, subjectRef }: Vector): OpenInput => ({
    envelope: hex(envelope),
    field: contextOf(field),
    rowId: rowIdOf(row),
    subjectRef: subjectRef == null ? undefined : hex(subjectRef),
  })

  test('each that must fail does so with its code, alone and in one page', async () => {
    const { open, subject, provider, providerUnwraps } = readVectors<File>('must-fail.json')
    const failures = [...open, ...subject, ...provider]
    expect(failures.length).toBeGreaterThan(500)
    for (const vector of failures) {
      const keyOf = openingKeys(vector.unwraps ?? providerUnwraps)
      const [opened] = await openBothWays(keyOf, [inputOf(vector)])
      expect([vector.name, opened]).toEqual([
        vector.name,
        expect.objectContaining({ code: vector.code }),
      ])
    }
    const page = failures.filter(({ unwraps }) => !unwraps)
    const opened = await openBothWays(openingKeys(providerUnwraps), page.map(inputOf))
    expect(opened).toEqual(page.map(({ code }) => expect.objectContaining({ code })))
  })

  test('each that opens does so, in one page', async () => {
    const { open, subject, provider } = readVectors<File>('envelopes.json')
    const keyOf = openingKeys(
      provider.map(({ keyId, wrappedDek = '', dek }) => ({ keyId, wrappedDek, dek })),
    )
    const opened = await openBothWays(keyOf, [...open, ...subject, ...provider].map(inputOf))
    expect(opened.some(isRefused)).toBe(false)
  })

  test('each rewrap gives its bytes', async () => {
    interface RewrapVector {
      envelope: string
      from: string
      to: string
      rewrapped: string
    }
    const { rewraps } = readVectors<{ rewraps: RewrapVector[] }>('rewraps.json')
    expect(rewraps.length).toBeGreaterThan(2)
    for (const { envelope, from, to, rewrapped } of rewraps) {
      const head = hex(envelope).subarray(0, 82)
      const [block] = await rewrapBothWays([head], dataKey(from), dataKey(to))
      // What is there already stays.
      const moves = head.toString('hex', 2, 10) !== to
      expect(block).toEqual(moves ? hex(rewrapped).subarray(0, 50) : null)
    }
  })
})

/** What `rewrapKeyBlocks` gives, which asks the addon, and what JavaScript gives for each head alone. */
async function rewrapBothWays(heads: readonly Buffer[], from: DataKey, to: DataKey) {
  const source = (id: string, kind: KeyKind) => {
    if (id === to.id && kind === 'data') return null
    return keysOf(from)(id, kind) as DataKey
  }
  const native = await rewrapKeyBlocks(heads, { target: to, source })
  const javascript = heads.map((head) =>
    attempt(() => {
      const { id, kind } = keyNameOf(head)
      const key = kind === 'subject' ? null : source(id, kind)
      return key && rewrapKeyBlock(head, key, to)
    }),
  )
  expectSame(native, javascript)
  return native
}

suite('other operations of the native path (skipped without the addon)', () => {
  test('rewrap gives the key block that JavaScript gives, and nothing for a damaged one', async () => {
    const [from, to] = [testKey('data 1'), testKey('data 2')]
    const values = fc.array(anyValue, { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(values, { minLength: 1, maxLength: 20 }),
        fc.nat(),
        async (all, at) => {
          const records = all.map((one) =>
            recordOf({ domain: 'default', key: 'data 1', row: 'r', values: one }),
          )
          const heads = (await sealBothWays(records)).flat().map((one) => one.subarray(0, 82))
          const damagedHead = Buffer.from(heads[at % heads.length]!)
          // Flags are not pinned by the commitment: GCM finds them changed, and a rewrap opens nothing.
          damagedHead[2 + (at % 80)]! ^= 1 << (at & 7)
          const page = [...heads, damagedHead, ...heads, heads[0]!.subarray(0, at % 82)]
          const blocks = await rewrapBothWays(page, from, to)
          expect(blocks.filter(isRefused).length).toBeGreaterThan(0)
          expect(blocks.filter(Buffer.isBuffer)).toHaveLength(heads.length * 2)
        },
      ),
      { numRuns },
    )
  })

  test('tokens are those of JavaScript, each alone', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    const long = fc.integer({ min: 500, max: 1100 }).map((n) => Array(n).fill(Buffer.from(`${n}`)))
    const values = fc.oneof(
      { weight: 20, arbitrary: fc.array(bytes, { maxLength: 30 }) },
      long.map((same) => same.map((one, i) => Buffer.concat([one, Buffer.alloc(i % 3)]))),
    )
    const bits = fc.integer({ min: 8, max: 128 })
    fc.assert(
      fc.property(values, bits, fc.integer({ min: 1, max: 255 }), (all, size, generation) => {
        const key = { key: testKey('index').dekWrapKey, bits: size, generation }
        expectSame(
          tokensOf(key, all),
          all.map((one) => tokenOf(key, one)),
        )
      }),
      { numRuns: numRuns * 2 },
    )
  })
})
