import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { compress, decompress } from '../../src/envelope/compression'
import { MAX_CIPHERTEXT_BYTES } from '../../src/envelope/format'
import { createOpener } from '../../src/envelope/open'
import { sealRecord } from '../../src/envelope/seal'
import type { ValueType } from '../../src/envelope/value-type'
import { keysOf, refusal, testField, testKey } from './keys'

const key = testKey('a')
const opener = () => createOpener(keysOf(key))
const field = (options: Parameters<typeof testField>[0] = {}) =>
  testField({ compressed: true, ...options })

/** Seals bytes as a writer would that is not this library: T of type bytes, in a compressed field. */
function sealContent(content: Uint8Array): Buffer {
  const plain = testField({ type: 'bytes' })
  return sealRecord(key, [{ field: plain, encoded: Buffer.concat([Buffer.of(7), content]) }])[0]!
}

function seal(value: unknown, target = field()): Buffer {
  return sealRecord(key, [{ field: target, encoded: encodeValue(target.type, value, 'f') }])[0]!
}

const LONG = 'The patient sleeps well. '.repeat(40)

describe('a compressed field', () => {
  it('is shorter where text repeats, and no longer than one byte more elsewhere', () => {
    const [plain, compressed] = [testField(), field()].map((target) => seal(LONG, target).length)
    expect(compressed).toBeLessThan(plain! - 900)
    for (const value of ['', 'x', 'x'.repeat(255), randomText(1000)]) {
      expect(seal(value).length).toBeLessThanOrEqual(seal(value, testField()).length + 1)
    }
  })

  it('gives back every string and JSON value', () => {
    const runs = process.env.SLOW ? 2_000 : 200
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat(400)).map(([part, n]) => part.repeat(n)),
    )
    fc.assert(
      fc.property(texts, fc.constantFrom(null, 1, 64), (value, pad) => {
        const target = field({ pad })
        expect(opener().open(seal(value, target), target)).toBe(value)
        const json = field({ type: 'json', pad })
        expect(opener().open(seal([value, { value }], json), json)).toEqual([value, { value }])
      }),
      { numRuns: runs },
    )
  })

  it('opens what was sealed before it began to compress, and nothing the other way round', () => {
    expect(opener().open(seal(LONG, testField()), field())).toBe(LONG)
    expect(() => opener().open(seal(LONG), testField())).toThrow(refusal('ERR_DECRYPTION_FAILED'))
  })

  it('is padded after it was compressed', () => {
    const lengths = [LONG, LONG + LONG, 'x'].map((value) => seal(value, field({ pad: 128 })).length)
    expect(new Set(lengths)).toEqual(new Set([98 + 128]))
  })

  const deflated = deflateRawSync(LONG)
  const reserved = Buffer.concat([Buffer.of(0x07), deflated.subarray(1)])
  it.each<[string, Uint8Array]>([
    ['no method', Buffer.of()],
    ['an unknown method', Buffer.concat([Buffer.of(2), deflated])],
    ['no stream', Buffer.of(1)],
    ['a stream that was cut', Buffer.concat([Buffer.of(1), deflated.subarray(0, -1)])],
    ['a byte behind the stream', Buffer.concat([Buffer.of(1), deflated, Buffer.of(0)])],
    ['two streams', Buffer.concat([Buffer.of(1), deflated, deflated])],
    ['a block of the reserved type', Buffer.concat([Buffer.of(1), reserved])],
    ['zlib instead of raw deflate', Buffer.concat([Buffer.of(1, 0x78, 0x9c), deflated])],
    ['bytes that are no UTF-8', Buffer.of(0, 0xff)],
    [
      'deflated bytes that are no UTF-8',
      Buffer.concat([Buffer.of(1), deflateRawSync(Buffer.of(0xff))]),
    ],
  ])('refuses %s as it refuses a wrong key', (_what, content) => {
    const opening = () => opener().open(sealContent(content), field())
    expect(opening).toThrow(refusal('ERR_DECRYPTION_FAILED'))
    expect(opening).toThrow(/^Person\.name could not be opened/)
  })

  it('refuses another type', () => {
    for (const [type, value] of [
      ['number', 1],
      ['json', 'text'],
    ] as [ValueType, unknown][]) {
      expect(() => opener().open(seal(value, testField({ type })), field())).toThrow(
        refusal('ERR_DECRYPTION_FAILED'),
      )
    }
  })

  it('inflates no more than 64 MiB', () => {
    const whole = deflateRawSync(Buffer.alloc(MAX_CIPHERTEXT_BYTES, 0x20))
    const bomb = deflateRawSync(Buffer.alloc(MAX_CIPHERTEXT_BYTES + 1, 0x20))
    const inflate = (data: Buffer) => decompress('string', Buffer.concat([Buffer.of(7, 1), data]))
    expect(inflate(whole)).toHaveLength(MAX_CIPHERTEXT_BYTES + 1)
    expect(inflate(bomb)).toBeNull()
    expect(bomb.length).toBeLessThan(70_000)
  })

  it('seals nothing that it could not open again, however well it compresses', () => {
    const target = field()
    const encoded = (length: number) => Buffer.alloc(length, 0x20).fill(1, 0, 1)
    const largest = sealRecord(key, [{ field: target, encoded: encoded(MAX_CIPHERTEXT_BYTES) }])[0]!
    expect(largest.length).toBeLessThan(70_000)
    expect(opener().open(largest, target)).toHaveLength(MAX_CIPHERTEXT_BYTES - 1)
    const tooLarge = { field: target, encoded: encoded(MAX_CIPHERTEXT_BYTES + 1) }
    expect(() => sealRecord(key, [tooLarge])).toThrow(refusal('ERR_VALUE_TOO_LARGE'))
  })

  it('is declared for strings and JSON only', () => {
    for (const type of ['number', 'bigint', 'boolean', 'timestamp', 'date', 'bytes'] as const) {
      expect(() => field({ type })).toThrow(refusal('ERR_FIELD_INVALID'))
    }
    expect(() => field({ compressed: 'gzip' as never })).toThrow(refusal('ERR_FIELD_INVALID'))
  })

  it('stores a short value as it is', () => {
    expect(compress(encodeValue('string', 'Ada', 'f')).toString('latin1')).toBe('\x07\x00Ada')
    expect(compress(encodeValue('json', [], 'f')).toString('latin1')).toBe('\x07\x00[]')
    expect(compress(encodeValue('string', LONG, 'f'))[1]).toBe(1)
  })
})

function randomText(length: number): string {
  return fc.sample(fc.string({ unit: 'binary', minLength: length, maxLength: length }), 1)[0]!
}
