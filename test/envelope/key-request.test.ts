import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import type { FieldContext } from '../../src/envelope/field-context'
import { parseHead } from '../../src/envelope/format'
import { createKeyRequest } from '../../src/envelope/key-request'
import { sealRecord, sealRecordByProvider } from '../../src/envelope/seal'
import { refusal, testField, testKey, testProvider, testSubjectKey } from './keys'

const encoded = encodeValue('string', 'Ada', 'f')
const field = testField()
const ofSubject = testField({ subject: true })
const [a, b] = [testKey('a'), testKey('b')]
const subject = testSubjectKey('42')
const seal = (key = a) => sealRecord(key, [{ field, encoded }])[0]!
const sealSubject = () => sealRecord(subject, [{ field: ofSubject, encoded }])[0]!

describe('a key request', () => {
  test('is empty until an envelope is added', () => {
    const builder = createKeyRequest()
    expect(builder.isEmpty()).toBe(true)
    expect(builder.request).toEqual({ data: new Set(), subject: new Set(), provider: new Map() })
    builder.add(seal(), field)
    expect(builder.isEmpty()).toBe(false)
  })

  test('names every key once, each under its kind', () => {
    const builder = createKeyRequest()
    for (const envelope of [seal(a), seal(b), seal(a)]) builder.add(envelope, field)
    for (const envelope of [sealSubject(), sealSubject()]) builder.add(envelope, ofSubject)
    expect(builder.request).toEqual({
      data: new Set([a.id, b.id]),
      subject: new Set([subject.id]),
      provider: new Map(),
    })
  })

  test.each(['subject', 'provider'] as const)('is not empty with a %s alone', async (kind) => {
    const builder = createKeyRequest()
    const { key } = testProvider('p')
    if (kind === 'subject') builder.add(sealSubject(), ofSubject)
    else builder.add((await sealRecordByProvider(key, [{ field, encoded }]))[0]!, field)
    expect(builder.isEmpty()).toBe(false)
  })

  test('lists each wrapped DEK of a provider once: fields of one record share theirs', async () => {
    const builder = createKeyRequest()
    const [first, second] = [testProvider('first', 40), testProvider('second', 1024)]
    const other = testField({ fieldId: 'person.email' })
    const record = (key: typeof first.key) =>
      sealRecordByProvider(key, [
        { field, encoded },
        { field: other, encoded },
      ])
    const add = async (key: typeof first.key) => {
      const [name, email] = (await record(key)) as [Buffer, Buffer]
      builder.add(name, field)
      builder.add(email, other)
    }
    await add(first.key)
    await add(first.key)
    await add(second.key)
    const { provider } = builder.request
    expect([...provider.keys()]).toEqual([first.key.id, second.key.id])
    for (const { key, deks } of [first, second]) {
      expect([...provider.get(key.id)!.keys()]).toEqual([...deks.deks.keys()])
      for (const [text, blob] of provider.get(key.id)!) {
        expect(Buffer.from(blob).toString('latin1')).toBe(text)
      }
    }
    expect(first.deks.deks.size).toBe(2)
  })
})

describe('the head of an envelope', () => {
  test('names what the envelope does, of whatever field', async () => {
    const provider = testProvider('p', 40)
    const byProvider = await sealRecordByProvider(provider.key, [{ field, encoded }])
    const heads = [seal(a), sealSubject(), byProvider[0]!].map((envelope) =>
      envelope.subarray(0, parseHead(envelope).head.length),
    )
    const [ofHeads, ofEnvelopes] = [createKeyRequest(), createKeyRequest()]
    for (const head of heads) ofHeads.addHead(head)
    ofEnvelopes.add(seal(a), field)
    ofEnvelopes.add(sealSubject(), ofSubject)
    ofEnvelopes.add(byProvider[0]!, field)
    expect(ofHeads.request).toEqual(ofEnvelopes.request)
  })

  test('that is none is refused, with nothing noted', () => {
    const builder = createKeyRequest()
    const cut = Buffer.concat([Buffer.of(0xe1, 8), a.idBytes, Buffer.of(0, 40), Buffer.alloc(71)])
    for (const head of [Buffer.alloc(0), Buffer.from('Ada Lovelace'), cut]) {
      expect(() => builder.addHead(head)).toThrow(refusal('ERR_ENVELOPE_MALFORMED'))
    }
    expect(builder.isEmpty()).toBe(true)
  })
})

describe('refused, with nothing noted', () => {
  const flagged = (flags: number) => Buffer.concat([Buffer.of(0xe1, flags), seal().subarray(2)])
  const long = Buffer.concat([Buffer.of(0xe1, 8), a.idBytes, Buffer.of(4, 1), Buffer.alloc(2000)])

  test.each<[string, Buffer, FieldContext, string]>([
    ['plain text', Buffer.from('Ada Lovelace'), field, 'ERR_ENVELOPE_MALFORMED'],
    ['nothing', Buffer.alloc(0), field, 'ERR_ENVELOPE_MALFORMED'],
    [
      'another version',
      Buffer.concat([Buffer.of(0xe2), seal().subarray(1)]),
      field,
      'ERR_ENVELOPE_VERSION',
    ],
    ['b2 with b3', flagged(12), field, 'ERR_ENVELOPE_MALFORMED'],
    ['a subject key where none is declared', flagged(4), field, 'ERR_ENVELOPE_FLAGS'],
    ['no subject key where one is declared', seal(), ofSubject, 'ERR_ENVELOPE_FLAGS'],
    ['a provider where a subject is declared', flagged(8), ofSubject, 'ERR_ENVELOPE_FLAGS'],
    ['b0 where none is declared', flagged(1), field, 'ERR_ENVELOPE_FLAGS'],
    ['a blob of 1025 bytes', long, field, 'ERR_ENVELOPE_MALFORMED'],
    ['a blob past the end', flagged(8).subarray(0, 12), field, 'ERR_ENVELOPE_MALFORMED'],
  ])('%s', (_, envelope, target, code) => {
    const builder = createKeyRequest()
    const matching = expect.objectContaining({ code, field: 'Person.name' })
    expect(() => builder.add(envelope, target)).toThrow(matching)
    expect(() => builder.add(envelope, target)).toThrow(refusal(code as never))
    expect(builder.isEmpty()).toBe(true)
  })
})
