import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createBucketing, type RangeOption } from '../../src/blind-index/bucket'
import { type NormalizerName, resolveNormalizer } from '../../src/blind-index/normalize'
import { encodeForToken, tokenOf } from '../../src/blind-index/token'
import { secretKey } from '../../src/crypto/secret-key'
import type { ValueType } from '../../src/envelope/value-type'
import type { TokenKey } from '../../src/keys/access'
import { deriveTokenKey } from '../../src/keys/derive'

interface TokenVector {
  readonly indexKek: string
  readonly domain: string
  readonly kind: string
  readonly name: string
  readonly normaliser: string
  readonly bits: number
  readonly generation: number
  readonly type: ValueType
  readonly input: string | boolean
  readonly normalised?: string
  readonly encodedHex: string
  readonly tokenHex: string
}

interface BucketVector {
  readonly type: ValueType
  readonly range: Record<string, unknown>
  readonly parameters: string
  readonly columnType: string
  readonly input: string
  readonly bucket: string
}

interface Failing {
  readonly type: ValueType
  readonly input: string
  readonly error: string
}

const FIELD = 'Patient.value'
const tokens = read<TokenVector, Failing & { normaliser: string }>('tokens.json')
const buckets = read<BucketVector, Failing & { range: Record<string, unknown> }>('buckets.json')

describe('token vectors', () => {
  it('are frozen', () => {
    expect(tokens.sha256).toBe('1944842d5df527600f8b4fbf3b5d6dbd8b77e224a51a4039647a36796ecec1e7')
  })

  it.each(tokens.vectors)('$type $input, $kind $name, $normaliser, $bits bits', (vector) => {
    const normalizer = normalizerOf(vector)
    const encoded = encodeForToken(vector.type, fromJson(vector), normalizer, FIELD)
    expect(encoded.toString('hex')).toBe(vector.encodedHex)
    expect(tokenOf(tokenKeyOf(vector), encoded).toString('hex')).toBe(vector.tokenHex)
    expect(normalizer.id).toBe(vector.normaliser)
  })

  it.each(tokens.mustFail)('$type $input with $normaliser fails', (vector) => {
    const make = () => encodeForToken(vector.type, fromJson(vector), normalizerOf(vector), FIELD)
    expect(make).toThrow(expect.objectContaining({ code: vector.error }))
  })
})

describe('bucket vectors', () => {
  it('are frozen', () => {
    expect(buckets.sha256).toBe('df699f6b7ddaeaa2106310a79162d6dbf1b0c1b5802888e813dc1318c772eb6b')
  })

  it.each(buckets.vectors)('$type $input by $parameters', (vector) => {
    const { parameters, columnType, bucketOf } = createBucketing(
      vector.type,
      rangeOf(vector),
      FIELD,
    )
    expect({ parameters, columnType }).toEqual({
      parameters: vector.parameters,
      columnType: vector.columnType,
    })
    expect(String(bucketOf(fromJson(vector)))).toBe(vector.bucket)
  })

  it.each(buckets.mustFail)('$type $input by $range fails', (vector) => {
    const make = () =>
      createBucketing(vector.type, rangeOf(vector), FIELD).bucketOf(fromJson(vector))
    expect(make).toThrow(expect.objectContaining({ code: vector.error }))
  })
})

function read<V, F>(name: string): { sha256: string; vectors: V[]; mustFail: F[] } {
  const text = readFileSync(join(__dirname, '../vectors', name), 'utf8')
  const sha256 = createHash('sha256').update(text).digest('hex')
  return { sha256, ...(JSON.parse(text) as { vectors: V[]; mustFail: F[] }) }
}

function tokenKeyOf({ indexKek, kind, ...vector }: TokenVector): TokenKey {
  return deriveTokenKey(secretKey(Buffer.from(indexKek, 'hex')), {
    ...vector,
    kind: kind as 'field' | 'group',
    indexKeyId: '0000000000000000',
    range: null,
    group: null,
    state: 'active',
  })
}

function normalizerOf(vector: { normaliser: string; normalised?: string }) {
  const [name, version] = vector.normaliser.split('@')
  if (name === '') return resolveNormalizer(undefined, FIELD)
  if (name !== 'phone') return resolveNormalizer(name as NormalizerName, FIELD)
  const normalize = () => vector.normalised!
  return resolveNormalizer({ name, version: Number(version), normalize }, FIELD)
}

function fromJson({ type, input }: { type: ValueType; input: string | boolean }): unknown {
  if (type === 'number') return Number(input)
  if (type === 'bigint') return BigInt(input)
  if (type === 'timestamp') return new Date(input as string)
  return type === 'bytes' ? Buffer.from(input as string, 'hex') : input
}

function rangeOf({
  type,
  range,
}: {
  type: ValueType
  range: Record<string, unknown>
}): RangeOption {
  const { step, edges } = range
  if (type === 'bigint' && step !== undefined) return { step: BigInt(step as string) }
  if (!Array.isArray(edges)) return range as RangeOption
  return { edges: edges.map((edge) => fromJson({ type, input: edge })) } as RangeOption
}
