import { describe, expect, expectTypeOf, it } from 'vitest'
import { createFieldCipher, type SubjectFieldCipherOptions } from '../../src/field/field-cipher'
import type { SubjectFieldCipher } from '../../src/field/subject-cipher'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring, keyControl } from '../../src/keys/keyring'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { shred } from '../../src/rotation/shred'
import { type ScriptedProvider, scriptedProvider } from '../keys/fixtures'

const FIELD = 'patient.note'
const UUID = '0f9619ff-8b86-d011-b42d-00cf4fc964ff'

/** A store that counts what is asked about subjects. */
function countingStore(inner: KeyStore = memoryKeyStore()) {
  const calls = { load: 0, insert: 0 }
  const store: KeyStore = {
    ...inner,
    loadSubjectKeys: (...args) => {
      calls.load++
      return inner.loadSubjectKeys(...args)
    },
    insertSubjectKeys: (...args) => {
      calls.insert++
      return inner.insertSubjectKeys(...args)
    },
  }
  return { store, calls }
}

function keyringOn(
  store: KeyStore = memoryKeyStore(),
  provider: ScriptedProvider = scriptedProvider(),
  epochPollMs = 5000,
): Keyring {
  return createKeyring({ providers: [provider], store, cache: { epochPollMs } })
}

function cipher(keyring = keyringOn(), options: Partial<SubjectFieldCipherOptions<'string'>> = {}) {
  return createFieldCipher(keyring, { field: FIELD, subject: true, ...options })
}

const failing = (code: string) => expect.objectContaining({ code, field: FIELD })

describe('a cipher with a subject', () => {
  it('gives values back to the subject that they were sealed for, and to nobody else', async () => {
    const { seal, open } = cipher()
    const envelope = await seal('Ada', { subject: 'a' })
    expect(envelope?.[1]).toBe(0b0100)
    expect(await open(envelope, { subject: 'a' })).toBe('Ada')
    await expect(open(envelope, { subject: 'b' })).rejects.toThrow(failing('ERR_DECRYPTION_FAILED'))
  })

  it.each([
    ['5', 5],
    [5n, '5'],
    [UUID.toUpperCase(), UUID],
    [2n ** 70n, String(2n ** 70n)],
  ])('takes %s and %s as one subject', async (one, other) => {
    const { seal, open } = cipher()
    expect(await open(await seal('Ada', { subject: one }), { subject: other })).toBe('Ada')
  })

  it.each(['05', '5 ', 'A', 'a', '５'])('takes %j for no other subject', async (subject) => {
    const { seal, open } = cipher()
    const others = ['5', 5, 'Ａ', 'A', 'a'].filter((other) => other !== subject)
    const envelope = await seal('Ada', { subject })
    for (const other of others) {
      await expect(open(envelope, { subject: other })).rejects.toThrow(
        failing('ERR_DECRYPTION_FAILED'),
      )
    }
  })

  it.each(['', Number.NaN, 1.5, 2 ** 53, null, undefined, {}, true, '\ud800'])(
    'refuses %j as a subject, naming the field',
    async (subject) => {
      const { seal, open } = cipher()
      const refused = expect.objectContaining({
        code: 'ERR_VALUE_INVALID',
        message: expect.stringContaining(FIELD),
      })
      const envelope = await seal('Ada', { subject: 'a' })
      await expect(seal('Ada', { subject } as never)).rejects.toThrow(refused)
      await expect(open(envelope, { subject } as never)).rejects.toThrow(refused)
      await expect(seal('Ada', undefined as never)).rejects.toThrow(refused)
    },
  )

  it('keeps null as null, whoever it belongs to, without any key', async () => {
    const { store, calls } = countingStore()
    const { seal, open, sealMany, openMany } = cipher(keyringOn(store))
    const nobody = { subject: null } as never
    expect([await seal(null, nobody), await open(null, nobody)]).toEqual([null, null])
    expect(await sealMany([{ value: null, subject: 1 }])).toEqual([null])
    expect(await openMany([])).toEqual([])
    expect(calls).toEqual({ load: 0, insert: 0 })
    expect((await store.loadKeys('default')).keys).toEqual([])
  })

  it('opens in another process what one process sealed', async () => {
    const store = memoryKeyStore()
    const provider = scriptedProvider()
    const envelope = await cipher(keyringOn(store, provider)).seal('Ada', { subject: 'a' })
    const other = cipher(keyringOn(store, provider))
    expect(await other.open(envelope, { subject: 'a' })).toBe('Ada')
    const again = await other.seal('Byron', { subject: 'a' })
    expect(again?.subarray(2, 10)).toEqual(envelope?.subarray(2, 10))
  })

  it('asks the store once for a page of 10,000 subjects, and no provider for any of them', async () => {
    const provider = scriptedProvider()
    const { store, calls } = countingStore()
    const values = Array.from({ length: 10_000 }, (_, subject) => ({
      value: `v${subject}`,
      subject,
    }))
    const sealed = await cipher(keyringOn(store, provider)).sealMany(values)
    expect(calls).toEqual({ load: 2, insert: 1 })

    const reader = keyringOn(store, provider)
    await reader.ready()
    const { openMany, sealMany } = cipher(reader)
    const before = { ...provider.calls }
    calls.load = 0
    const page = sealed.map((envelope, subject) => ({ envelope, subject }))
    expect(await openMany(page)).toEqual(values.map(({ value }) => value))
    expect(calls.load).toBe(1)
    expect(provider.calls).toEqual(before)
    await openMany(page)
    await sealMany(values)
    expect(calls).toEqual({ load: 1, insert: 1 })
    expect(provider.calls).toEqual(before)
  })

  it('shares no DEK between two values of one subject', async () => {
    const values = Array.from({ length: 20 }, () => ({ value: 'Ada', subject: 'a' }))
    const sealed = await cipher().sealMany(values)
    const blocks = sealed.map((envelope) => envelope?.toString('hex', 10, 82))
    expect(new Set(blocks).size).toBe(20)
    expect(new Set(sealed.map((envelope) => envelope?.toString('hex', 2, 10))).size).toBe(1)
  })

  it('refuses an envelope without a subject, and one with a subject where none is declared', async () => {
    const keyring = keyringOn()
    const plain = createFieldCipher(keyring, { field: FIELD })
    const of = { subject: 'a' }
    const { seal, open } = cipher(keyring)
    await expect(open(await plain.seal('Ada'), of)).rejects.toThrow(failing('ERR_ENVELOPE_FLAGS'))
    await expect(plain.open(await seal('Ada', of))).rejects.toThrow(failing('ERR_ENVELOPE_FLAGS'))
  })

  it('refuses bytes that are no envelope', async () => {
    const { open } = cipher()
    for (const bytes of ['text', Buffer.of(1)]) {
      await expect(open(bytes as never, { subject: 'a' })).rejects.toThrow(
        failing('ERR_ENVELOPE_MALFORMED'),
      )
    }
  })

  it('makes the same tokens and buckets as a field without subject: they are not under its key', async () => {
    const keyring = keyringOn()
    const indexes = {
      exact: true,
      range: { prefix: 1 },
      acceptLeakage: 'a test of tokens',
    } as const
    const plain = createFieldCipher(keyring, { field: FIELD, ...indexes })
    const { token, bucket } = cipher(keyring, indexes)
    expect(await token('Ada')).toEqual(await plain.token('Ada'))
    expect(await bucket('Ada')).toBe('A')
  })
})

describe('a shredded subject', () => {
  it('cannot be opened any more; others are untouched', async () => {
    const keyring = keyringOn()
    const { sealMany, open, openMany } = cipher(keyring)
    const values = ['a', 'b'].map((subject) => ({ value: subject, subject }))
    const [a, b] = await sealMany(values)
    await shred(keyring, { subject: 'a' })
    await expect(open(a!, { subject: 'a' })).rejects.toThrow(failing('ERR_SUBJECT_SHREDDED'))
    expect(await open(b!, { subject: 'b' })).toBe('b')
    const page = [
      { envelope: a!, subject: 'a' },
      { envelope: b!, subject: 'b' },
    ]
    await expect(openMany(page)).rejects.toThrow(failing('ERR_SUBJECT_SHREDDED'))
    expect(await cipher(keyring, { shredded: 'null' }).openMany(page)).toEqual([null, 'b'])
  })

  it('is seen by another process within its epoch poll', async () => {
    const store = memoryKeyStore()
    const provider = scriptedProvider()
    const [one, other] = [keyringOn(store, provider), keyringOn(store, provider, 0)]
    const of = { subject: 'a' }
    const envelope = await cipher(one).seal('Ada', of)
    const { open, seal } = cipher(other)
    expect(await open(envelope, of)).toBe('Ada')
    await shred(one, { subject: 'a' })
    await expect(open(envelope, of)).rejects.toThrow(failing('ERR_SUBJECT_SHREDDED'))
    const next = await seal('Ada again', of)
    expect(next?.subarray(2, 10)).not.toEqual(envelope?.subarray(2, 10))
    expect(await open(next, of)).toBe('Ada again')
  })
})

describe('the keys behind a subject', () => {
  it('stay usable under a rotated KEK, and not under a disabled one', async () => {
    const keyring = keyringOn()
    const { seal, open } = cipher(keyring)
    const of = { subject: 'a' }
    const envelope = await seal('Ada', of)
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    expect(await open(envelope, of)).toBe('Ada')
    await disableKey(keyring, { keyId: previousKeyId! })
    await expect(open(envelope, of)).rejects.toMatchObject({ code: 'ERR_KEY_STATE' })
    await expect(seal('Ada', of)).rejects.toMatchObject({ code: 'ERR_KEY_STATE' })
    expect(await open(await seal('B', { subject: 'b' }), { subject: 'b' })).toBe('B')
  })

  it.each([
    ['the wrap of another subject', 'wrapped'],
    ['a subject_ref of another subject', 'subjectRef'],
  ] as const)('do not open with %s', async (_what, member) => {
    const inner = memoryKeyStore()
    const provider = scriptedProvider()
    const [a] = await cipher(keyringOn(inner, provider)).sealMany(
      ['a', 'b'].map((subject) => ({ value: subject, subject })),
    )
    const swapped: KeyStore = {
      ...inner,
      loadSubjectKeys: async (...args) => {
        const all = await inner.pageSubjectKeys('default', {
          notUnder: null,
          after: null,
          limit: 9,
        })
        const { keys, ...rest } = await inner.loadSubjectKeys(...args)
        return {
          ...rest,
          keys: keys.map((key) => ({
            ...key,
            [member]: all.find((o) => o.id !== key.id)![member],
          })),
        }
      },
    }
    const { open } = cipher(keyringOn(swapped, provider))
    await expect(open(a!, { subject: 'a' })).rejects.toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
    await expect(open(a!, { subject: 'b' })).rejects.toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
  })

  it('are refused where the store does not know them', async () => {
    const provider = scriptedProvider()
    const envelope = await cipher(keyringOn(undefined, provider)).seal('Ada', { subject: 'a' })
    const { open } = cipher(keyringOn(undefined, provider))
    await expect(open(envelope, { subject: 'a' })).rejects.toMatchObject({
      code: 'ERR_KEY_NOT_FOUND',
    })
  })

  it('are made once by two processes that seal for a new subject at once', async () => {
    const store = memoryKeyStore()
    const provider = scriptedProvider()
    const rings = Array.from({ length: 5 }, () => keyringOn(store, provider))
    const of = { subject: 'a' }
    const sealed = await Promise.all(rings.map((keyring) => cipher(keyring).seal('Ada', of)))
    expect(new Set(sealed.map((envelope) => envelope?.toString('hex', 2, 10))).size).toBe(1)
    for (const envelope of sealed) expect(await cipher(rings[0]).open(envelope, of)).toBe('Ada')
  })
})

describe('a declaration with a subject', () => {
  it('needs a keyring that holds keys itself', () => {
    const keyring = createKeyring({
      providers: [scriptedProvider()],
      store: memoryKeyStore(),
      wrapping: 'provider',
    })
    expect(() => cipher(keyring)).toThrow(failing('ERR_CONFIG'))
    expect(keyControl(keyring)).toBeDefined()
  })

  it('refuses an unknown choice for shredded values', () => {
    expect(() => cipher(keyringOn(), { shredded: 'undefined' as never })).toThrow(
      failing('ERR_CONFIG'),
    )
  })

  it('makes the subject a part of every call, and only then', () => {
    const keyring = keyringOn()
    const notes = createFieldCipher(keyring, { field: FIELD, type: 'number', subject: true })
    expectTypeOf(notes).toEqualTypeOf<SubjectFieldCipher<number>>()
    expectTypeOf(notes.seal).parameter(1).toEqualTypeOf<{
      readonly subject: string | number | bigint
    }>()
    const plain = createFieldCipher(keyring, { field: FIELD, type: 'number' })
    expectTypeOf(plain.seal).parameters.toEqualTypeOf<[number | null]>()
    // @ts-expect-error: shredded values belong to subjects
    createFieldCipher(keyring, { field: FIELD, shredded: 'null' })
  })
})
