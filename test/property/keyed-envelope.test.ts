import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import type { FieldContext } from '../../src/envelope/field-context'
import { fromText, toText } from '../../src/envelope/format'
import { inspectEnvelope } from '../../src/envelope/inspect'
import { createKeyRequest } from '../../src/envelope/key-request'
import { createOpener, type KeyLookup } from '../../src/envelope/open'
import { rewrapEnvelope, rewrapEnvelopeByProvider } from '../../src/envelope/rewrap'
import { sealRecords } from '../../src/envelope/seal'
import { isMortiseError } from '../../src/errors'
import type { KeyKind, SubjectKey } from '../../src/keys/access'
import { keysOf, refusal, testField, testKey, testProvider, testSubjectKey } from '../envelope/keys'

const slow = process.env.SLOW === '1'
const numRuns = slow ? 3000 : 150
const KINDS: readonly KeyKind[] = ['data', 'subject', 'provider']
const SUBJECTS = ['a', 'b', 'c']

/** One envelope and what it takes to open it. */
interface Sealed {
  readonly kind: KeyKind
  readonly envelope: Buffer
  readonly field: FieldContext
  readonly rowId: Buffer
  readonly subjectRef: Buffer | undefined
  readonly value: string
}

/** What an envelope is made from. */
interface Recipe {
  readonly kind: KeyKind
  readonly subject: string
  readonly value: string
  readonly rowBound: boolean
  readonly pad: number | null
  readonly row: string
}

const recipe: fc.Arbitrary<Recipe> = fc.record({
  kind: fc.constantFrom(...KINDS),
  subject: fc.constantFrom(...SUBJECTS),
  value: fc.string({ unit: 'grapheme', maxLength: 20 }),
  rowBound: fc.boolean(),
  pad: fc.constantFrom(null, 16),
  row: fc.string({ maxLength: 5 }),
})
const blobLengths = fc.constantFrom(1, 40, 72, 184, 1024)

/** The keys of one run, and a page sealed under them. */
async function sealAll(recipes: readonly Recipe[], blobLength: number) {
  const data = testKey('a')
  const provider = testProvider('p', blobLength)
  const subjects = new Map(SUBJECTS.map((subject) => [subject, testSubjectKey(subject)]))
  const inputs = recipes.map(({ kind, subject, value, rowBound, pad, row }) => ({
    key:
      kind === 'data' ? data : kind === 'provider' ? provider.key : (subjects.get(subject) ?? data),
    field: testField({ rowBound, pad, subject: kind === 'subject' }),
    rowId: Buffer.from(`\x01${row}`),
    encoded: encodeValue('string', value, 'f'),
  }))
  const envelopes = await sealRecords(
    inputs.map(({ key, field, rowId, encoded }) => ({ key, values: [{ field, encoded, rowId }] })),
  )
  const page = recipes.map(({ kind, subject, value }, i): Sealed => {
    const { field, rowId } = inputs[i]!
    const subjectRef = kind === 'subject' ? testSubjectKey(subject).subjectRef : undefined
    return { kind, envelope: envelopes[i]![0]!, field, rowId, subjectRef, value }
  })
  return { page, data, provider, keyOf: keysOf(data, provider.deks, ...subjects.values()) }
}

const open = (keyOf: KeyLookup, { envelope, field, rowId, subjectRef }: Omit<Sealed, 'value'>) =>
  createOpener(keyOf).open(envelope, field, rowId, subjectRef)

/** The value, or undefined for a refusal; any other error fails the test. */
function attempt(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    if (isMortiseError(error)) return undefined
    throw error
  }
}

describe('every envelope, whoever wraps its DEK,', () => {
  test('opens as bytes and as text, and shows what its key id names', async () => {
    await fc.assert(
      fc.asyncProperty(recipe, blobLengths, async (one, blobLength) => {
        const { page, keyOf } = await sealAll([one], blobLength)
        const [sealed] = page as [Sealed]
        expect(open(keyOf, sealed)).toBe(one.value)
        const envelope = fromText(toText(sealed.envelope))
        expect(open(keyOf, { ...sealed, envelope })).toBe(one.value)
        expect(inspectEnvelope(envelope).flags).toEqual({
          rowBound: one.rowBound,
          padded: one.pad !== null,
          subjectKey: one.kind === 'subject',
          providerWrapped: one.kind === 'provider',
        })
      }),
      { numRuns },
    )
  })

  test('opens to nothing with any one bit changed', async () => {
    await fc.assert(
      fc.asyncProperty(recipe, blobLengths, fc.nat(), async (one, blobLength, position) => {
        const { page, keyOf } = await sealAll([one], blobLength)
        const [sealed] = page as [Sealed]
        const bit = position % (sealed.envelope.length * 8)
        sealed.envelope[bit >> 3]! ^= 1 << (bit & 7)
        expect(attempt(() => open(keyOf, sealed))).toBeUndefined()
      }),
      { numRuns: numRuns * 5 },
    )
  })

  test('opens to nothing with each one of its bits changed, in turn', async () => {
    const rest = { subject: 'a', value: 'Ada', rowBound: true, pad: 16, row: '1' }
    const recipes = KINDS.map((kind) => ({ ...rest, kind }))
    const { page, keyOf } = await sealAll(recipes, 40)
    for (const sealed of page) {
      for (let bit = 0; bit < sealed.envelope.length * 8; bit++) {
        const envelope = Buffer.from(sealed.envelope)
        envelope[bit >> 3]! ^= 1 << (bit & 7)
        expect(attempt(() => open(keyOf, { ...sealed, envelope }))).toBeUndefined()
      }
    }
  })

  test('opens to nothing when it is cut at any length, or continued', async () => {
    await fc.assert(
      fc.asyncProperty(recipe, blobLengths, async (one, blobLength) => {
        const { page, keyOf } = await sealAll([one], blobLength)
        const [sealed] = page as [Sealed]
        const { envelope: whole } = sealed
        for (let length = 0; length < whole.length; length++) {
          const envelope = whole.subarray(0, length)
          expect(attempt(() => open(keyOf, { ...sealed, envelope }))).toBeUndefined()
        }
        const envelope = Buffer.concat([whole, Buffer.alloc(1)])
        expect(attempt(() => open(keyOf, { ...sealed, envelope }))).toBeUndefined()
      }),
      { numRuns: slow ? 100 : 6 },
    )
  })

  test('opens to nothing with the key block, or the wrapped DEK, of another', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(recipe, recipe),
        fc.constantFrom('block', 'flags and block', 'head'),
        async (pair, what) => {
          const { page, keyOf } = await sealAll(pair, 40)
          const [one, other] = page as [Sealed, Sealed]
          const from = what === 'block' ? 2 : 1
          const end = (sealed: Sealed) =>
            (sealed.kind === 'provider' ? 52 : 50) + (what === 'head' ? 32 : 0)
          const envelope = Buffer.concat([
            one.envelope.subarray(0, from),
            other.envelope.subarray(from, end(other)),
            one.envelope.subarray(end(one)),
          ])
          expect(attempt(() => open(keyOf, { ...one, envelope }))).toBeUndefined()
        },
      ),
      { numRuns },
    )
  })
})

describe('an envelope under a subject key', () => {
  const ofSubject = recipe.map((one): Recipe => ({ ...one, kind: 'subject' }))

  test('opens in a row of its own subject alone', async () => {
    await fc.assert(
      fc.asyncProperty(ofSubject, fc.constantFrom(...SUBJECTS), async (one, subject) => {
        const { page, keyOf } = await sealAll([one], 40)
        const [sealed] = page as [Sealed]
        const opening = () =>
          open(keyOf, { ...sealed, subjectRef: testSubjectKey(subject).subjectRef })
        if (subject === one.subject) expect(opening()).toBe(one.value)
        else expect(opening).toThrow(refusal('ERR_DECRYPTION_FAILED'))
        const nobody = () => open(keyOf, { ...sealed, subjectRef: undefined })
        expect(nobody).toThrow(refusal('ERR_ROW_UNKNOWN'))
      }),
      { numRuns },
    )
  })

  test('does not open with the key of another subject behind its key id', async () => {
    await fc.assert(
      fc.asyncProperty(ofSubject, async (one) => {
        const { page, data, provider } = await sealAll([one], 40)
        const [sealed] = page as [Sealed]
        const [own, other] = [testSubjectKey(one.subject), testSubjectKey('z')]
        const swaps: SubjectKey[] = [
          { ...own, dekWrapKey: other.dekWrapKey },
          { ...own, subjectRef: other.subjectRef },
          { ...other, id: own.id, idBytes: own.idBytes },
        ]
        for (const swapped of swaps) {
          const keyOf = keysOf(data, provider.deks, swapped)
          expect(() => open(keyOf, sealed)).toThrow(refusal('ERR_DECRYPTION_FAILED'))
        }
      }),
      { numRuns: slow ? 500 : 30 },
    )
  })

  test('stays where it is when envelopes are rewrapped', async () => {
    const [one] = fc.sample(ofSubject, { numRuns: 1, seed: 1 }) as [Recipe]
    const { page, data } = await sealAll([one], 40)
    const [sealed] = page as [Sealed]
    const rewrap = () => rewrapEnvelope(sealed.envelope, data, testKey('b'))
    expect(rewrap).toThrow(refusal('ERR_ENVELOPE_FLAGS'))
  })
})

test('a page of all kinds in any order gives each value to its own row, from one request', async () => {
  const recipes = fc.array(recipe, { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(recipes, fc.constantFrom(40, 184), async (list, blobLength) => {
      const { page, keyOf } = await sealAll(list, blobLength)
      const needed = createKeyRequest()
      for (const { envelope, field } of page) needed.add(envelope, field)
      const { data, subject, provider } = needed.request
      const of = (kind: KeyKind) => list.filter((one) => one.kind === kind)
      expect(data.size).toBe(Math.min(of('data').length, 1))
      expect(subject.size).toBe(new Set(of('subject').map((one) => one.subject)).size)
      const blobs = [...provider.values()].flatMap((deks) => [...deks])
      expect(blobs.map(([text, blob]) => text === Buffer.from(blob).toString('latin1'))).toEqual(
        of('provider').map(() => true),
      )
      const opener = createOpener(keyOf)
      const opened = page.map((sealed) =>
        opener.open(sealed.envelope, sealed.field, sealed.rowId, sealed.subjectRef),
      )
      expect(opened).toEqual(list.map(({ value }) => value))
    }),
    { numRuns },
  )
})

test('a rewrap from local to provider and back keeps value and ciphertext', async () => {
  const local = recipe.map((one): Recipe => ({ ...one, kind: 'data' }))
  await fc.assert(
    fc.asyncProperty(local, blobLengths, async (one, blobLength) => {
      const { page, data } = await sealAll([one], 40)
      const [sealed] = page as [Sealed]
      const to = testProvider('q', blobLength)
      const away = await rewrapEnvelopeByProvider(sealed.envelope, data, to.key)
      const there = { ...sealed, envelope: away, kind: 'provider' as const }
      const keyOf = keysOf(data, to.deks)
      expect(open(keyOf, there)).toBe(one.value)
      expect(away.length).toBe(sealed.envelope.length + blobLength - 38)
      expect(away.subarray(12 + blobLength)).toEqual(sealed.envelope.subarray(50))
      const next = testKey('b')
      const back = rewrapEnvelope(away, to.deks, next)
      expect(open(keysOf(next, to.deks), { ...sealed, envelope: back })).toBe(one.value)
      expect(back.subarray(50)).toEqual(sealed.envelope.subarray(50))
      expect(rewrapEnvelope(back, next, data).subarray(0, 10)).toEqual(
        sealed.envelope.subarray(0, 10),
      )
    }),
    { numRuns },
  )
})
