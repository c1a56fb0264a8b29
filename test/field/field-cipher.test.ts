import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import {
  createFieldCipher,
  type FieldCipher,
  type FieldCipherOptions,
} from '../../src/field/field-cipher'
import type { FieldType } from '../../src/field/field-type'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'

const SECRET = generateRootKey()

function keyringOn(store: KeyStore = memoryKeyStore(), domain = 'default'): Keyring {
  const providers = [inAppKeyProvider({ name: 'test', secret: SECRET })]
  return createKeyring({ providers, store, domain })
}

function cipher<T extends FieldType = 'string'>(
  options: Partial<FieldCipherOptions<T>> = {},
  keyring = keyringOn(),
) {
  return createFieldCipher<T>(keyring, { field: 'patient.email', ...options })
}

const failing = (code: string) => expect.objectContaining({ code, field: 'patient.email' })

describe('seal and open', () => {
  it.each<[FieldType, unknown]>([
    ['string', ''],
    [String, 'Ada \u{1f600}'],
    ['number', 0],
    [Number, -0],
    ['bigint', -(2n ** 70n)],
    [Boolean, false],
    ['timestamp', new Date(0)],
    ['date', '1815-12-10'],
    ['bytes', Buffer.of(0, 255)],
    ['json', { allergies: [], note: null }],
  ])('give a %s back as it was', async (type, value) => {
    const { seal, open } = cipher({ type })
    const envelope = await seal(value as never)
    expect(envelope?.[0]).toBe(0xe1)
    expect(await open(envelope)).toStrictEqual(value)
  })

  it('give envelopes of which one can be moved to another thread without the others', async () => {
    const { sealMany, openMany } = cipher()
    const [moved, ...others] = (await sealMany(['Ada', 'Bob', 'Eve'])) as Buffer[]
    const transfer = [moved?.buffer as ArrayBuffer]
    try {
      structuredClone(moved, { transfer })
    } catch {
      // What Node's own pool holds is refused since Node 21, and copied before.
    }
    expect(await openMany(others)).toEqual(['Bob', 'Eve'])
  })

  it('opens the text form of a text column as well', async () => {
    const { sealMany, open, openMany } = cipher({ compress: true })
    const long = 'Ada '.repeat(200)
    const sealed = await sealMany(['Ada', long])
    const texts = sealed.map((envelope) => `mrt1.${envelope!.toString('base64url')}`)
    expect(texts[1]!.length).toBeLessThan(200)
    expect(await openMany([texts[0]!, sealed[1]!, null])).toEqual(['Ada', long, null])
    expect(await open(texts[1]!)).toBe(long)
    for (const [text, code] of [
      ['', 'ERR_ENVELOPE_MALFORMED'],
      ['Ada', 'ERR_ENVELOPE_MALFORMED'],
      [`${texts[0]}=`, 'ERR_ENVELOPE_MALFORMED'],
      [texts[0]!.replace('mrt1.', 'mrt2.'), 'ERR_ENVELOPE_VERSION'],
    ]) {
      await expect(open(text!)).rejects.toThrow(failing(code!))
    }
  })

  it('keep null as null, without any key', async () => {
    const { seal, open, sealMany, openMany } = cipher({}, keyringOn(unavailable()))
    expect([await seal(null), await open(null)]).toEqual([null, null])
    expect([await sealMany([null]), await openMany([])]).toEqual([[null], []])
  })

  it('seal equal values to different envelopes, each under a DEK of its own', async () => {
    const sealed = await cipher().sealMany(Array.from({ length: 50 }, () => 'Ada'))
    const keyBlocks = sealed.map((envelope) => envelope!.toString('hex', 10, 82))
    expect(new Set(keyBlocks).size).toBe(50)
  })

  it('keep order and nulls of many values', async () => {
    const { sealMany, openMany } = cipher<'number'>({ type: 'number' })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }))),
        async (values) => {
          expect(await openMany(await sealMany(values))).toStrictEqual(values)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('seal a value as it was given, not as it is changed while keys load', async () => {
    const { seal, open } = cipher<'timestamp'>({ type: 'timestamp' })
    const value = new Date(1)
    const sealing = seal(value)
    value.setTime(2)
    expect(await open(await sealing)).toEqual(new Date(1))
  })

  it('hide the length in steps with pad', async () => {
    const { seal, open } = cipher({ pad: 64 })
    const [short, long] = [await seal(''), await seal('x'.repeat(59))]
    expect(short!.length).toBe(98 + 64)
    expect(long!.length).toBe(98 + 64)
    expect(await open(long)).toBe('x'.repeat(59))
  })

  it('open what another process sealed on the same store', async () => {
    const store = memoryKeyStore()
    const envelope = await cipher({}, keyringOn(store)).seal('Ada')
    expect(await cipher({}, keyringOn(store)).open(envelope)).toBe('Ada')
  })
})

describe('what does not open', () => {
  it('is an envelope of another field', async () => {
    const keyring = keyringOn()
    const envelope = await cipher({ field: 'patient.name' }, keyring).seal('Ada')
    await expect(cipher({}, keyring).open(envelope)).rejects.toThrow(
      failing('ERR_DECRYPTION_FAILED'),
    )
  })

  it('is an envelope of another type', async () => {
    const keyring = keyringOn()
    const envelope = await cipher({}, keyring).seal('1815-12-10')
    await expect(cipher<'date'>({ type: 'date' }, keyring).open(envelope)).rejects.toThrow(
      failing('ERR_DECRYPTION_FAILED'),
    )
  })

  it('is an envelope of another domain', async () => {
    const store = memoryKeyStore()
    const envelope = await cipher({}, keyringOn(store, 'clinic')).seal('Ada')
    await expect(cipher({}, keyringOn(store)).open(envelope)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_KEY_NOT_FOUND' }),
    )
  })

  it.each<[string, (envelope: Buffer) => unknown, string]>([
    ['a changed bit', (bytes) => flip(bytes, bytes.length - 1), 'ERR_DECRYPTION_FAILED'],
    ['a cut end', (bytes) => bytes.subarray(0, 98), 'ERR_ENVELOPE_MALFORMED'],
    ['text', (bytes) => bytes.toString('base64'), 'ERR_ENVELOPE_MALFORMED'],
    ['undefined', () => undefined, 'ERR_ENVELOPE_MALFORMED'],
    ['plaintext bytes', () => Buffer.from('Ada'), 'ERR_ENVELOPE_MALFORMED'],
    ['another version', (bytes) => set(bytes, 0, 0xe2), 'ERR_ENVELOPE_VERSION'],
    ['a row-bound envelope', (bytes) => set(bytes, 1, 1), 'ERR_ENVELOPE_FLAGS'],
    ['a subject key', (bytes) => set(bytes, 1, 4), 'ERR_ENVELOPE_FLAGS'],
  ])('is %s', async (_, change, code) => {
    const { seal, open } = cipher()
    const envelope = await seal('Ada')
    await expect(open(change(envelope!) as never)).rejects.toThrow(failing(code))
  })

  function flip(bytes: Buffer, at: number): Buffer {
    return set(bytes, at, bytes[at]! ^ 1)
  }

  function set(bytes: Buffer, at: number, value: number): Buffer {
    const copy = Buffer.from(bytes)
    copy[at] = value
    return copy
  }
})

describe('what is not sealed', () => {
  it.each([undefined, 1, {}])('is %s in a string field', async (value) => {
    const { seal, sealMany } = cipher()
    await expect(seal(value as never)).rejects.toThrow(failing('ERR_VALUE_INVALID'))
    await expect(sealMany(['Ada', value as never])).rejects.toThrow(failing('ERR_VALUE_INVALID'))
  })

  it('never appears in the error', async () => {
    const error = await cipher<'number'>({ type: 'number' })
      .seal('secret-value' as never)
      .catch((reason: unknown) => reason)
    expect(inspect(error)).not.toContain('secret-value')
  })
})

describe('token', () => {
  it('is one generation byte and 16 bytes, equal for equal values', async () => {
    const { token } = cipher({ exact: true })
    const [ada, again, other] = [await token('Ada'), await token('Ada'), await token('ada')]
    expect(ada).toHaveLength(17)
    expect(ada![0]).toBe(1)
    expect(ada).toEqual(again)
    expect(ada).not.toEqual(other)
  })

  it('is null for null', async () => {
    expect(await cipher({ exact: true }).token(null)).toBeNull()
  })

  it('follows the normaliser', async () => {
    const { token } = cipher({ exact: { normalize: 'email' } })
    expect(await token(' Ada@Example.com')).toEqual(await token('ada@example.com'))
  })

  it('holds -0 and 0 for equal', async () => {
    const { token } = cipher<'number'>({ type: 'number', exact: true })
    expect(await token(-0)).toEqual(await token(0))
  })

  it('is cut to the declared bits', async () => {
    const token = await cipher({ exact: { bits: 12 } }).token('Ada')
    expect(token).toHaveLength(3)
    expect(token![2]! & 0x0f).toBe(0)
  })

  it('differs between fields, domains, normalisers, bits and stores', async () => {
    const store = memoryKeyStore()
    const exact = { exact: true }
    const tokens = await Promise.all(
      [
        cipher(exact, keyringOn(store)),
        cipher({ ...exact, field: 'patient.name' }, keyringOn(store)),
        cipher(exact, keyringOn(store, 'clinic')),
        cipher({ exact: { normalize: 'trim' }, field: 'patient.city' }, keyringOn(store)),
        cipher({ exact: { bits: 127 }, field: 'patient.street' }, keyringOn(store)),
        cipher(exact),
      ].map((each) => each.token('Ada')),
    )
    expect(new Set(tokens.map((token) => token!.toString('hex', 1, 16))).size).toBe(tokens.length)
  })

  it('is comparable within a group and nowhere else', async () => {
    const keyring = keyringOn()
    const exact = { group: 'emails' }
    const [one, two, alone] = await Promise.all([
      cipher({ exact }, keyring).token('Ada'),
      cipher({ exact, field: 'contact.email' }, keyring).token('Ada'),
      cipher({ exact: true, field: 'emails' }, keyring).token('Ada'),
    ])
    expect(one).toEqual(two)
    expect(one).not.toEqual(alone)
  })

  it('needs an exact index', async () => {
    await expect(cipher().token('Ada')).rejects.toThrow(failing('ERR_QUERY_UNSUPPORTED'))
    await expect(cipher().token(null)).rejects.toThrow(failing('ERR_QUERY_UNSUPPORTED'))
  })

  it('refuses a value of another type', async () => {
    await expect(cipher({ exact: true }).token(1 as never)).rejects.toThrow(
      failing('ERR_VALUE_INVALID'),
    )
  })
})

describe('bucket', () => {
  it('is the declared one', async () => {
    const { bucket } = cipher<'number'>({ type: 'number', range: { step: 10_000 } })
    expect([await bucket(52_340), await bucket(null)]).toEqual([50_000, null])
  })

  it('needs a range index', async () => {
    await expect(cipher().bucket('Ada')).rejects.toThrow(failing('ERR_QUERY_UNSUPPORTED'))
  })

  it('refuses a value of another type', async () => {
    await expect(cipher({ range: { prefix: 2 } }).bucket(1 as never)).rejects.toThrow(
      failing('ERR_VALUE_INVALID'),
    )
  })
})

describe('the index declaration', () => {
  it.each<[string, (changed: FieldCipher<string>) => Promise<unknown>]>([
    ['sealing', (changed) => changed.seal('Ada')],
    ['a token', (changed) => changed.token('Ada')],
    ['a bucket', (changed) => changed.bucket('Ada')],
  ])('is compared with the store before %s', async (_, use) => {
    const store = memoryKeyStore()
    await cipher({ exact: true, range: { prefix: 2 } }, keyringOn(store)).seal('Ada')
    const changed = cipher({ exact: { normalize: 'trim' }, range: { prefix: 2 } }, keyringOn(store))
    await expect(use(changed)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_INDEX_CHANGED' }),
    )
  })

  it('does not hinder opening', async () => {
    const store = memoryKeyStore()
    const envelope = await cipher({ exact: true }, keyringOn(store)).seal('Ada')
    expect(await cipher({}, keyringOn(store)).open(envelope)).toBe('Ada')
  })

  it('is declared once, and again after a failure', async () => {
    const store = memoryKeyStore()
    const insert = vi.spyOn(store, 'insertIndexes').mockRejectedValueOnce(new Error('offline'))
    const { seal } = cipher({ exact: true }, keyringOn(store))
    await expect(seal('Ada')).rejects.toThrow()
    expect(await seal('Ada')).not.toBeNull()
    const calls = insert.mock.calls.length
    await seal('Grace')
    expect(insert).toHaveBeenCalledTimes(calls)
  })
})

describe('createFieldCipher', () => {
  it('touches no key before the first call', () => {
    expect(() => cipher({}, keyringOn(unavailable()))).not.toThrow()
  })

  it('fetches the keys of many envelopes with one question', async () => {
    const store = memoryKeyStore()
    const { sealMany } = cipher({}, keyringOn(store))
    const envelopes = await sealMany(Array.from({ length: 100 }, (_, index) => `${index}`))
    const load = vi.spyOn(store, 'loadKeys')
    await cipher({}, keyringOn(store)).openMany(envelopes)
    expect(load).toHaveBeenCalledTimes(1)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no field', { field: undefined }, 'ERR_CONFIG'],
    ['a field with a space', { field: 'patient email' }, 'ERR_CONFIG'],
    ['a database type', { type: 'varchar' }, 'ERR_FIELD_INVALID'],
    ['pad 0', { pad: 0 }, 'ERR_FIELD_INVALID'],
    ['a leak', { type: 'boolean', exact: true }, 'ERR_LEAKAGE_NOT_ACCEPTED'],
  ])('refuses %s at once', (_, options, code) => {
    expect(() => cipher(options as never)).toThrow(expect.objectContaining({ code }))
  })

  it('is typed by the declared type', () => {
    expectTypeOf(cipher()).toEqualTypeOf<FieldCipher<string>>()
    expectTypeOf(cipher<'timestamp'>({ type: 'timestamp' })).toEqualTypeOf<FieldCipher<Date>>()
    const inferred = createFieldCipher(keyringOn(), { field: 'patient.age', type: Number })
    expectTypeOf(inferred).toEqualTypeOf<FieldCipher<number>>()
  })

  it('shows no key bytes', async () => {
    const made = cipher({ exact: true })
    await made.token('Ada')
    const shown = inspect(made, { depth: 10, showHidden: true }) + JSON.stringify(made)
    expect(shown).not.toContain(SECRET)
  })
})

/** A store that fails at the first question. */
function unavailable(): KeyStore {
  return new Proxy({} as KeyStore, {
    get: () => () => {
      throw new Error('the key store was asked')
    },
  })
}
