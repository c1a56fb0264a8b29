import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import * as keyWrap from '../../src/crypto/key-wrap'
import { encodeValue } from '../../src/envelope/codec'
import { createOpener, keyNameOf } from '../../src/envelope/open'
import { encodeRowId } from '../../src/envelope/row-id'
import { sealRecord, sealRecordByProvider } from '../../src/envelope/seal'
import { MortiseError } from '../../src/errors'
import type { SubjectKey } from '../../src/keys/access'
import { keysOf, refusal, testField, testKey, testProvider, testSubjectKey } from './keys'

vi.mock('../../src/crypto/key-wrap', { spy: true })

const key = testKey('a')
const field = testField()
const text = (value: string) => encodeValue('string', value, 'f')
const seal = (value = 'Ada', target = field, rowId?: Buffer) =>
  sealRecord(key, [{ field: target, encoded: text(value), rowId }])[0]!

function unwraps(run: () => void): number {
  vi.mocked(keyWrap.unwrapKey).mockClear()
  run()
  return vi.mocked(keyWrap.unwrapKey).mock.calls.length
}

describe('an opener', () => {
  const fields = ['a', 'b', 'c'].map((fieldId) => testField({ fieldId }))
  const record = (value: string) =>
    sealRecord(
      key,
      fields.map((target) => ({ field: target, encoded: text(value) })),
    )
  const rows = ['1', '2', '3', '4'].map(record)

  test('unwraps each record once, whatever the order of reading', () => {
    const openAll = (order: [row: number, column: number][]) => {
      const opener = createOpener(keysOf(key))
      for (const [row, column] of order) {
        expect(opener.open(rows[row]![column]!, fields[column]!)).toBe(String(row + 1))
      }
    }
    const cells = rows.flatMap((_, row) =>
      fields.map((_f, column) => [row, column] as [number, number]),
    )
    expect(unwraps(() => openAll(cells))).toBe(4)
    expect(unwraps(() => openAll(cells.toSorted((a, b) => a[1] - b[1])))).toBe(4)
  })

  test('asks for a key once per record, and remembers nothing after its own life', () => {
    const keyOf = vi.fn(keysOf(key))
    const opener = createOpener(keyOf)
    fields.forEach((target, column) => {
      opener.open(rows[0]![column]!, target)
    })
    expect(keyOf.mock.calls).toEqual([[key.id, 'data']])
    createOpener(keyOf).open(rows[0]![0]!, fields[0]!)
    expect(keyOf).toHaveBeenCalledTimes(2)
  })

  test('stays right, and bounded, over more records than it keeps', () => {
    const opener = createOpener(keysOf(key))
    const many = Array.from({ length: 4200 }, (_, index) => seal(String(index)))
    const open = (index: number) => opener.open(many[index]!, field)
    many.forEach((_, index) => {
      expect(open(index)).toBe(String(index))
    })
    expect(unwraps(() => expect(open(4199)).toBe('4199'))).toBe(0)
    expect(unwraps(() => expect(open(0)).toBe('0'))).toBe(1)
  })

  test('is not misled by a changed buffer that it has opened before', () => {
    const opener = createOpener(keysOf(key))
    const envelope = seal()
    expect(opener.open(envelope, field)).toBe('Ada')
    envelope[50]! ^= 1
    expect(() => opener.open(envelope, field)).toThrow(refusal('ERR_DECRYPTION_FAILED'))
    envelope[50]! ^= 1
    expect(opener.open(envelope, field)).toBe('Ada')
  })

  test('refuses a remembered record in a field of another domain', () => {
    const opener = createOpener(keysOf(key))
    const envelope = seal()
    opener.open(envelope, field)
    const foreign = testField({ domain: 'other' })
    expect(() => opener.open(envelope, foreign)).toThrow(refusal('ERR_KEY_NOT_FOUND'))
  })

  test('shows nothing of what it holds', () => {
    const opener = createOpener(keysOf(key))
    opener.open(seal('a plaintext'), field)
    const shown = [opener, field, key].flatMap((value) => [
      inspect(value, { depth: null, showHidden: true, maxStringLength: null }),
      JSON.stringify(value),
    ])
    const secret = key.dekWrapKey.export()
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      expect(shown.join()).not.toContain(secret.toString(form))
    }
    expect(shown.join()).not.toContain([...secret.subarray(0, 8)].join(','))
    expect(shown.join()).not.toContain('a plaintext')
  })
})

describe('the order of checks', () => {
  const keyError = new MortiseError('ERR_KEY_STATE', 'key is disabled')
  const noKeys = vi.fn(() => {
    throw keyError
  })
  const bound = testField({ rowBound: true })
  const opener = createOpener(noKeys)

  test('bytes and flags before the key: no key is asked for in vain', () => {
    const attempt =
      (envelope: Buffer, target = field, rowId?: Buffer) =>
      () =>
        opener.open(envelope, target, rowId)
    const reserved = Buffer.concat([Buffer.of(0xe1, 4), seal().subarray(2)])
    expect(attempt(Buffer.from('Ada'))).toThrow(refusal('ERR_ENVELOPE_MALFORMED'))
    expect(attempt(reserved)).toThrow(refusal('ERR_ENVELOPE_FLAGS'))
    expect(attempt(seal(), bound, Buffer.of(1))).toThrow(refusal('ERR_ENVELOPE_FLAGS'))
    expect(attempt(seal('Ada', bound, Buffer.of(1)))).toThrow(refusal('ERR_ENVELOPE_FLAGS'))
    expect(attempt(seal('Ada', bound, Buffer.of(1)), bound)).toThrow(refusal('ERR_ROW_UNKNOWN'))
    expect(noKeys).not.toHaveBeenCalled()
  })

  test('the error of the key lookup comes through as it is', () => {
    expect(() => opener.open(seal(), field)).toThrow(keyError)
  })

  test('a key of another domain is not even tried', () => {
    const foreign = createOpener(() => testKey('a', 'other'))
    expect(unwraps(() => expect(() => foreign.open(seal(), field)).toThrow())).toBe(0)
    expect(() => foreign.open(seal(), field)).toThrow(refusal('ERR_KEY_NOT_FOUND'))
  })

  test('a wrong key is the same error as a changed bit', () => {
    const changed = seal()
    changed[changed.length - 1]! ^= 1
    const messages = [
      () => createOpener(() => testKey('b')).open(seal(), field),
      () => createOpener(keysOf(key)).open(changed, field),
      () => createOpener(keysOf(key)).open(seal(), testField({ fieldId: 'other' })),
      () =>
        createOpener(keysOf(key)).open(
          seal('Ada', bound, encodeRowId('integer', 1)),
          bound,
          encodeRowId('integer', 2),
        ),
    ].map((attempt) => {
      try {
        return attempt()
      } catch (error) {
        expect(error).toEqual(refusal('ERR_DECRYPTION_FAILED'))
        expect((error as Error).cause).toBeUndefined()
        return (error as Error).message
      }
    })
    expect(new Set(messages).size).toBe(1)
  })
})

describe('keyNameOf', () => {
  test('reads the id without a key', () => {
    expect(keyNameOf(seal())).toEqual({ id: key.id, kind: 'data' })
    expect(keyNameOf(new Uint8Array(seal()))).toEqual({ id: key.id, kind: 'data' })
    const other = (flags: number) => Buffer.concat([Buffer.of(0xe1, flags), seal().subarray(2)])
    expect(keyNameOf(other(4)).kind).toBe('subject')
    expect(keyNameOf(other(8)).kind).toBe('provider')
  })

  test.each([
    ['nothing', Buffer.alloc(0), 'ERR_ENVELOPE_MALFORMED'],
    ['a prefix that ends inside the key id', seal().subarray(0, 9), 'ERR_ENVELOPE_MALFORMED'],
    ['plain text', Buffer.from('Ada Lovelace'), 'ERR_ENVELOPE_MALFORMED'],
    [
      'another version',
      Buffer.concat([Buffer.of(0xe2), seal().subarray(1)]),
      'ERR_ENVELOPE_VERSION',
    ],
    [
      'a subject key of a provider',
      Buffer.concat([Buffer.of(0xe1, 12), seal().subarray(2)]),
      'ERR_ENVELOPE_MALFORMED',
    ],
  ] as const)('refuses %s, naming the field', (_, bytes, code) => {
    expect(() => keyNameOf(bytes, 'Person.x')).toThrow(
      expect.objectContaining({ code, field: 'Person.x' }),
    )
  })
})

describe('a page of data keys, subject keys and providers', () => {
  const [subject, other] = [testSubjectKey('42'), testSubjectKey('43')]
  const { key: provider, deks } = testProvider('p')
  const ofSubject = testField({ fieldId: 'person.subject', subject: true })
  const sealFor = (owner: SubjectKey, value: string) =>
    sealRecord(owner, [{ field: ofSubject, encoded: text(value) }])[0]!

  test('opens with one opener, in any order', async () => {
    const byProvider = (value: string) =>
      sealRecordByProvider(provider, [{ field, encoded: text(value) }])
    const rows = [
      { envelope: seal('a'), field },
      { envelope: sealFor(subject, 'b'), field: ofSubject, ref: subject.subjectRef },
      { envelope: (await byProvider('c'))[0]!, field },
      { envelope: sealFor(other, 'd'), field: ofSubject, ref: other.subjectRef },
      { envelope: (await byProvider('e'))[0]!, field },
    ]
    const opener = createOpener(keysOf(key, subject, other, deks))
    const open = (page: typeof rows) =>
      page.map(({ envelope, field: target, ref }) => opener.open(envelope, target, undefined, ref))
    expect(open(rows)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(open(rows.toReversed())).toEqual(['e', 'd', 'c', 'b', 'a'])
  })

  test('asks for each key under the kind that the flags say', async () => {
    const keyOf = vi.fn(keysOf(key, subject, deks))
    const opener = createOpener(keyOf)
    const [wrapped] = await sealRecordByProvider(provider, [{ field, encoded: text('c') }])
    opener.open(seal('a'), field)
    opener.open(sealFor(subject, 'b'), ofSubject, undefined, subject.subjectRef)
    opener.open(wrapped!, field)
    expect(keyOf.mock.calls).toEqual([
      [key.id, 'data'],
      [subject.id, 'subject'],
      [provider.id, 'provider'],
    ])
  })

  test('never takes a remembered record for one of another kind', () => {
    const twin = { ...key, subjectRef: Buffer.alloc(17, 1) }
    const opener = createOpener((_id, kind) => (kind === 'subject' ? twin : key))
    const local = seal('a', testField({ fieldId: 'person.subject' }))
    const flagged = Buffer.concat([Buffer.of(0xe1, 4), local.subarray(2)])
    expect(opener.open(local, testField({ fieldId: 'person.subject' }))).toBe('a')
    // AAD and keys are the same by construction: the row's subject_ref is what is left to differ.
    const wrong = () => opener.open(flagged, ofSubject, undefined, Buffer.alloc(17, 2))
    expect(wrong).toThrow(refusal('ERR_DECRYPTION_FAILED'))
    expect(opener.open(flagged, ofSubject, undefined, twin.subjectRef)).toBe('a')
    expect(opener.open(local, testField({ fieldId: 'person.subject' }))).toBe('a')
  })

  describe('step 9: the subject of the row', () => {
    const opener = createOpener(keysOf(key, subject, other))
    const envelope = sealFor(subject, 'Ada')
    const open = (ref?: Buffer) => () => opener.open(envelope, ofSubject, undefined, ref)

    test('must be the subject of the key, also for a record that is open already', () => {
      expect(open(subject.subjectRef)()).toBe('Ada')
      expect(open(other.subjectRef)).toThrow(refusal('ERR_DECRYPTION_FAILED'))
      expect(open(subject.subjectRef.subarray(0, 16))).toThrow(refusal('ERR_DECRYPTION_FAILED'))
      expect(open(Buffer.alloc(0))).toThrow(refusal('ERR_DECRYPTION_FAILED'))
      expect(open(subject.subjectRef)()).toBe('Ada')
    })

    test('must be known, before any key is asked for', () => {
      const noKeys = vi.fn(keysOf())
      const attempt = () => createOpener(noKeys).open(envelope, ofSubject)
      expect(attempt).toThrow(refusal('ERR_ROW_UNKNOWN'))
      expect(attempt).toThrow(/^Person\.name is sealed under the key of its subject/)
      expect(noKeys).not.toHaveBeenCalled()
    })

    test('has no part in a field without a subject', () => {
      expect(opener.open(seal(), field, undefined, other.subjectRef)).toBe('Ada')
    })
  })

  test('a DEK that the provider did not unwrap is the one error of opening', async () => {
    const [envelope] = await sealRecordByProvider(provider, [{ field, encoded: text('c') }])
    const none = createOpener(keysOf({ ...deks, deks: new Map() }))
    expect(() => none.open(envelope!, field)).toThrow(refusal('ERR_DECRYPTION_FAILED'))
  })
})
