import { afterEach, describe, expect, test, vi } from 'vitest'
import * as aead from '../../src/crypto/aead'
import { encodeValue } from '../../src/envelope/codec'
import { MAX_CIPHERTEXT_BYTES } from '../../src/envelope/format'
import { createOpener } from '../../src/envelope/open'
import { encodeRowId } from '../../src/envelope/row-id'
import { sealRecord, sealRecordByProvider, sealRecords } from '../../src/envelope/seal'
import { MortiseError } from '../../src/errors'
import type { SealingKey } from '../../src/keys/access'
import { keysOf, refusal, testField, testKey, testProvider, testSubjectKey } from './keys'

vi.mock('../../src/crypto/aead', { spy: true })
afterEach(() => vi.clearAllMocks())

const key = testKey('a')
const text = (value: string) => encodeValue('string', value, 'f')
const ada = { field: testField(), encoded: text('Ada') }

describe('one record', () => {
  test('shares key id, wrapped DEK and commitment, and nothing else', () => {
    const other = { field: testField({ fieldId: 'person.email' }), encoded: text('Ada') }
    const [first, second] = sealRecord(key, [ada, other]) as [Buffer, Buffer]
    expect(first.subarray(0, 82)).toEqual(second.subarray(0, 82))
    expect(first.toString('hex', 2, 10)).toBe(key.id)
    expect(first.subarray(82)).not.toEqual(second.subarray(82))
    expect(first).toHaveLength(98 + 4)
  })

  test('of no values is empty', () => {
    expect(sealRecord(key, [])).toEqual([])
  })

  test('sealed twice has two DEKs', () => {
    const [first] = sealRecord(key, [ada])
    const [second] = sealRecord(key, [ada])
    expect(first!.subarray(10, 50)).not.toEqual(second!.subarray(10, 50))
    expect(first!.subarray(50, 82)).not.toEqual(second!.subarray(50, 82))
  })

  test('does not hold its plaintext or the DEK wrap key', () => {
    const [envelope] = sealRecord(key, [{ ...ada, encoded: text('plaintext in clear') }])
    expect(envelope!.includes('plaintext')).toBe(false)
    expect(envelope!.includes(key.dekWrapKey.export())).toBe(false)
  })
})

describe('refused before anything is sealed', () => {
  test('two values of one field: they would share an IV', () => {
    const attempt = () => sealRecord(key, [ada, { ...ada, encoded: text('Bob') }])
    expect(attempt).toThrow(refusal('ERR_SEAL_REUSE'))
    expect(attempt).toThrow(/^Person\.name occurs twice in one record/)
  })

  test('the same field declared twice, even with other options', () => {
    const again = { field: testField({ name: 'Other.name', pad: 16 }), encoded: text('Bob') }
    expect(() => sealRecord(key, [ada, again])).toThrow(refusal('ERR_SEAL_REUSE'))
  })

  test('a row-bound field without its row id', () => {
    const bound = { field: testField({ rowBound: true }), encoded: text('Ada') }
    expect(() => sealRecord(key, [bound])).toThrow(refusal('ERR_ROW_UNKNOWN'))
    expect(sealRecord(key, [{ ...bound, rowId: encodeRowId('text', '') }])).toHaveLength(1)
  })

  test('programming mistakes: a key of another domain, a value of another type', () => {
    expect(() => sealRecord(testKey('a', 'other'), [ada])).toThrow(RangeError)
    const number = encodeValue('number', 1, 'f')
    expect(() => sealRecord(key, [{ ...ada, encoded: number }])).toThrow(RangeError)
    expect(() => sealRecord(key, [{ ...ada, encoded: Buffer.alloc(0) }])).toThrow(RangeError)
  })

  test('a value longer than 64 MiB, padding included', () => {
    const bytes = (length: number) => Buffer.alloc(length, 7)
    const field = testField({ type: 'bytes' })
    const padded = testField({ type: 'bytes', pad: 65_536 })
    const attempt = (target: typeof field, length: number) =>
      sealRecord(key, [{ field: target, encoded: bytes(length) }])[0]!
    expect(attempt(field, MAX_CIPHERTEXT_BYTES)).toHaveLength(98 + MAX_CIPHERTEXT_BYTES)
    expect(attempt(padded, MAX_CIPHERTEXT_BYTES - 4)).toHaveLength(98 + MAX_CIPHERTEXT_BYTES)
    expect(() => attempt(field, MAX_CIPHERTEXT_BYTES + 1)).toThrow(refusal('ERR_VALUE_TOO_LARGE'))
    expect(() => attempt(padded, MAX_CIPHERTEXT_BYTES - 3)).toThrow(refusal('ERR_VALUE_TOO_LARGE'))
  })
})

describe('padding', () => {
  test.each([
    [16, 'x'.repeat(11), 16],
    [16, 'x'.repeat(12), 32],
    [1, 'x'.repeat(12), 17],
    [4096, '', 4096],
  ])('to a step of %i hides the length', (pad, value, length) => {
    const field = testField({ pad })
    const [envelope] = sealRecord(key, [{ field, encoded: text(value) }])
    expect(envelope).toHaveLength(98 + length)
    expect(envelope![1]).toBe(2)
    expect(createOpener(keysOf(key)).open(envelope!, field)).toBe(value)
  })

  test('may be declared or given up later: b1 is read from the envelope', () => {
    const opener = createOpener(keysOf(key))
    const padded = testField({ pad: 32 })
    expect(opener.open(sealRecord(key, [ada])[0]!, padded)).toBe('Ada')
    expect(opener.open(sealRecord(key, [{ ...ada, field: padded }])[0]!, ada.field)).toBe('Ada')
  })
})

describe('under a subject key', () => {
  const subject = testSubjectKey('42')
  const ofSubject = { field: testField({ subject: true }), encoded: text('Ada') }

  test('sets b2 and names the subject key; the size stays', () => {
    const [envelope] = sealRecord(subject, [ofSubject])
    expect(envelope![1]).toBe(4)
    expect(envelope!.toString('hex', 2, 10)).toBe(subject.id)
    expect(envelope).toHaveLength(98 + 4)
  })

  test('only where the field is declared so, and never under the key of no subject', async () => {
    const { key: provider } = testProvider('p')
    expect(() => sealRecord(subject, [ada])).toThrow(RangeError)
    expect(() => sealRecord(key, [ofSubject])).toThrow(RangeError)
    const other = { ...ada, field: testField({ fieldId: 'person.email' }) }
    expect(() => sealRecord(subject, [ofSubject, other])).toThrow(RangeError)
    await expect(sealRecordByProvider(provider, [ofSubject])).rejects.toThrow(RangeError)
  })
})

describe('by a provider', () => {
  test.each([1, 40, 72, 1024])('that answers %i bytes', async (length) => {
    const { key: provider, deks } = testProvider('p', length)
    const [envelope] = await sealRecordByProvider(provider, [ada])
    expect(envelope![1]).toBe(8)
    expect(envelope!.toString('hex', 2, 10)).toBe(provider.id)
    expect(envelope!.readUInt16BE(10)).toBe(length)
    expect([...deks.deks.keys()]).toEqual([envelope!.toString('latin1', 12, 12 + length)])
    expect(envelope).toHaveLength(10 + 2 + length + 32 + 4 + 16)
    expect(createOpener(keysOf(deks)).open(envelope!, ada.field)).toBe('Ada')
  })

  test.each([0, 1025])(
    'that answers %i bytes: nothing is sealed that would not open',
    async (n) => {
      const provider = { ...testProvider('p').key, wrapDek: async () => Buffer.alloc(n) }
      await expect(sealRecordByProvider(provider, [ada])).rejects.toThrow(RangeError)
      expect(aead.sealAead).not.toHaveBeenCalled()
    },
  )

  test('one record is one call, whatever its fields; no fields are none', async () => {
    const { key: provider, deks } = testProvider('p')
    const other = { ...ada, field: testField({ fieldId: 'person.email', pad: 16 }) }
    const [first, second] = await sealRecordByProvider(provider, [ada, other])
    expect(deks.deks.size).toBe(1)
    expect(first!.subarray(2, 10 + 2 + 184 + 32)).toEqual(second!.subarray(2, 10 + 2 + 184 + 32))
    expect(await sealRecordByProvider(provider, [])).toEqual([])
    expect(deks.deks.size).toBe(1)
  })

  test('that refuses: nothing is sealed, and the DEK is zeroed', async () => {
    const failure = new MortiseError('ERR_KEY_PROVIDER', 'throttled')
    const seen: Uint8Array[] = []
    const wrapDek = (dek: Uint8Array) => {
      seen.push(dek)
      return Promise.reject(failure)
    }
    const provider = { ...testProvider('p').key, wrapDek }
    await expect(sealRecordByProvider(provider, [ada])).rejects.toBe(failure)
    expect(aead.sealAead).not.toHaveBeenCalled()
    expect(seen).toEqual([Buffer.alloc(32)])
  })

  test('that changes the DEK it is given: nothing is sealed under what is left of it', async () => {
    const { key: provider } = testProvider('p')
    const wrapDek = async (dek: Uint8Array) => {
      const blob = await provider.wrapDek(dek)
      dek.fill(0)
      return blob
    }
    await expect(sealRecordByProvider({ ...provider, wrapDek }, [ada])).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      message: expect.stringContaining(provider.id),
    })
    expect(aead.sealAead).not.toHaveBeenCalled()
  })

  test('is asked for nothing that could not be sealed', async () => {
    const { key: provider, deks } = testProvider('p')
    const bound = { field: testField({ rowBound: true }), encoded: text('Ada') }
    await expect(sealRecordByProvider(provider, [ada, ada])).rejects.toEqual(
      refusal('ERR_SEAL_REUSE'),
    )
    await expect(sealRecordByProvider(provider, [bound])).rejects.toEqual(
      refusal('ERR_ROW_UNKNOWN'),
    )
    expect(deks.deks.size).toBe(0)
  })

  test('sealed twice has two DEKs', async () => {
    const { key: provider, deks } = testProvider('p')
    await sealRecordByProvider(provider, [ada])
    await sealRecordByProvider(provider, [ada])
    const [first, second] = [...deks.deks.values()].map((dek) => dek.export())
    expect(first).not.toEqual(second)
  })
})

describe('several records', () => {
  test('of all kinds come back in their order, each under a DEK of its own', async () => {
    const { key: provider, deks } = testProvider('p')
    const subject = testSubjectKey('42')
    const field = testField({ subject: true })
    const record = (sealing: SealingKey, value: string) => {
      const target = 'subjectRef' in sealing ? field : ada.field
      return { key: sealing, values: [{ field: target, encoded: text(value) }] }
    }
    const sealed = await sealRecords([
      record(provider, 'a'),
      record(key, 'b'),
      record(subject, 'c'),
      { key, values: [] },
      record(provider, 'd'),
    ])
    expect(sealed.map((envelopes) => envelopes.length)).toEqual([1, 1, 1, 0, 1])
    expect(sealed.map(([envelope]) => envelope?.[1])).toEqual([8, 0, 4, undefined, 8])
    const opener = createOpener(keysOf(key, subject, deks))
    const open = (envelope: Buffer) =>
      envelope[1] === 4
        ? opener.open(envelope, field, undefined, subject.subjectRef)
        : opener.open(envelope, ada.field)
    expect(sealed.flat().map(open)).toEqual(['a', 'b', 'c', 'd'])
    expect(new Set(sealed.flat().map((envelope) => envelope.toString('latin1', 10, 50))).size).toBe(
      4,
    )
  })

  test('wait for all providers at once', async () => {
    let waiting = 0
    let release = () => {}
    const all = new Promise<void>((resolve) => {
      release = resolve
    })
    const wrapDek = async () => {
      waiting++
      if (waiting === 3) release()
      await all
      return Buffer.of(waiting)
    }
    const provider = { ...testProvider('p').key, wrapDek }
    const records = [1, 2, 3].map(() => ({ key: provider, values: [ada] }))
    expect(await sealRecords(records)).toHaveLength(3)
  })

  test('are none where one fails', async () => {
    const failure = new MortiseError('ERR_KEY_PROVIDER', 'throttled')
    const provider = { ...testProvider('p').key, wrapDek: () => Promise.reject(failure) }
    const records = [
      { key, values: [ada] },
      { key: provider, values: [ada] },
    ]
    await expect(sealRecords(records)).rejects.toBe(failure)
    expect(await sealRecords([])).toEqual([])
  })
})
