import { describe, expect, test } from 'vitest'
import {
  rewrapEnvelope,
  rewrapEnvelopeByProvider,
  rewrapKeyBlock,
  rewrapKeyBlockByProvider,
} from '../../src/envelope/rewrap'
import type { MortiseErrorCode } from '../../src/errors'
import type { DataKey, ProviderDeks, ProviderKey } from '../../src/keys/access'
import { dataKey, hex, providerDeks, readVectors, type Unwrap, vectorProviderKeys } from './load'

interface RewrapCase {
  name: string
  from: string
  to: string
  envelope: string
  rewrapped: string
}

interface ProviderCase extends RewrapCase {
  dek: string
  fromWrap: string | null
  toWrap: string | null
}

interface Failure {
  name: string
  envelope: string
  from: string
  to: string
  unwraps?: Unwrap[] | null
  code: MortiseErrorCode
}

const { rewraps, provider } = readVectors<{ rewraps: RewrapCase[]; provider: ProviderCase[] }>(
  'rewraps.json',
)
const { rewrap, providerRewrap, providerUnwraps } = readVectors<{
  rewrap: Failure[]
  providerRewrap: Failure[]
  providerUnwraps: Unwrap[]
}>('must-fail.json')

/** The head of an envelope, which is what a job reads. */
function headOf(envelope: Buffer, wrap: string | null): Buffer {
  return envelope.subarray(0, 10 + (wrap === null ? 40 : 2 + wrap.length / 2) + 32)
}

function sourceOf(id: string, unwraps: readonly Unwrap[]): DataKey | ProviderDeks {
  const isProvider = vectorProviderKeys.some((key) => key.id === id)
  return isProvider ? providerDeks(id, unwraps) : dataKey(id)
}

function providerKey(id: string, dek: string, answer: string): ProviderKey {
  const row = vectorProviderKeys.find((key) => key.id === id)!
  const wrapDek = async (asked: Uint8Array) => {
    expect(Buffer.from(asked)).toEqual(hex(dek))
    return hex(answer)
  }
  return { ...row, idBytes: hex(id), wrapDek }
}

describe('rewraps', () => {
  test.each(rewraps)('$name', ({ envelope, from, to, rewrapped }) => {
    const head = hex(envelope).subarray(0, 82)
    expect(rewrapEnvelope(hex(envelope), dataKey(from), dataKey(to))).toEqual(hex(rewrapped))
    expect(rewrapKeyBlock(head, dataKey(from), dataKey(to))).toEqual(hex(rewrapped.slice(0, 100)))
  })

  test.each(provider)('$name', async ({ from, to, dek, fromWrap, toWrap, ...vector }) => {
    const [envelope, rewrapped] = [hex(vector.envelope), hex(vector.rewrapped)]
    const source = sourceOf(from, [{ keyId: from, wrappedDek: fromWrap ?? '', dek }])
    const head = headOf(envelope, fromWrap)
    const block = headOf(rewrapped, toWrap).subarray(0, -32)
    if (toWrap === null) {
      expect(rewrapEnvelope(envelope, source, dataKey(to))).toEqual(rewrapped)
      expect(rewrapKeyBlock(head, source, dataKey(to))).toEqual(block)
    } else {
      const target = providerKey(to, dek, toWrap)
      expect(await rewrapEnvelopeByProvider(envelope, source, target)).toEqual(rewrapped)
      expect(await rewrapKeyBlockByProvider(head, source, target)).toEqual(block)
    }
  })
})

test.each([...rewrap, ...providerRewrap])('must fail: $name -> $code', (vector) => {
  const { envelope, from, to, unwraps, code } = vector
  const attempt = () =>
    rewrapEnvelope(hex(envelope), sourceOf(from, unwraps ?? providerUnwraps), dataKey(to))
  expect(attempt).toThrow(expect.objectContaining({ code }))
})
