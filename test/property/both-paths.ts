import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { expect, vi } from 'vitest'
import { type NativeAddon, nativeAddon } from '../../src/crypto/native'
import { fillRandom, randomBytes } from '../../src/crypto/random'
import type { KeyLookup } from '../../src/envelope/open'
import { type OpenAs, type OpenInput, openOne } from '../../src/envelope/open-one'
import { openPages } from '../../src/envelope/open-pages'
import { type SealRecord, sealRecord, sealRecords } from '../../src/envelope/seal'
import { isMortiseError } from '../../src/errors'
import type { DataKey, SubjectKey } from '../../src/keys/access'

/** Records under local keys, which either path seals. */
export type LocalRecord = SealRecord & { readonly key: DataKey | SubjectKey }

/** The addon, in tests that are skipped without it. */
export function addon(): NativeAddon {
  return nativeAddon() as NativeAddon
}

/** Draws the same DEKs again. The random module must be mocked. */
function drawDeksAnew(): void {
  let drawn = 0
  const next = () => createHash('sha256').update(`DEK ${drawn++}`).digest()
  vi.mocked(randomBytes).mockImplementation(next)
  vi.mocked(fillRandom).mockImplementation((memory) => {
    for (let at = 0; at < memory.length; at += 32) memory.set(next(), at)
  })
}

/**
 * Seals records on both paths, with the same DEKs, and expects the same bytes.
 *
 * @param records - each of one value at least: an empty one draws no DEK in JavaScript
 */
export async function sealBothWays(records: readonly LocalRecord[]): Promise<Buffer[][]> {
  drawDeksAnew()
  const javascript = records.map(({ key, values }) => sealRecord(key, values))
  drawDeksAnew()
  const native = await sealRecords(records)
  expect(fillRandom).toHaveBeenCalled()
  expectSame(native, javascript)
  return native
}

/** Opens envelopes on both paths, and expects the same values and errors in the same places. */
export async function openBothWays(
  keyOf: KeyLookup,
  inputs: readonly OpenInput[],
  as: OpenAs = 'value',
): Promise<unknown[]> {
  const native = await openPages(addon(), keyOf, inputs, as)
  expectSame(native, inputs.map(openOne(keyOf, as)))
  return native
}

/** Errors by all that a caller sees of them. */
function shown(result: unknown): unknown {
  if (!isMortiseError(result)) return result
  return { ...result, message: result.message, cause: result.cause }
}

/** As `toStrictEqual`, which takes seconds for thousands of Buffers; it only has to tell differences. */
export function expectSame(results: readonly unknown[], expected: readonly unknown[]): void {
  const [native, javascript] = [results.map(shown), expected.map(shown)]
  if (isDeepStrictEqual(native, javascript)) return
  const at = native.findIndex((one, i) => !isDeepStrictEqual(one, javascript[i]))
  expect({ at, result: native[at] }).toStrictEqual({ at, result: javascript[at] })
  expect(native).toHaveLength(javascript.length)
}
