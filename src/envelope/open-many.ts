import { nativeAddon } from '../crypto/native'
import type { MortiseError } from '../errors'
import type { KeyLookup } from './open'
import { type OpenAs, type OpenInput, openOne } from './open-one'
import { openPages } from './open-pages'
import { inSlices } from './slices'

export type { OpenInput } from './open-one'

/**
 * Opens the envelopes of a page as `Opener.open` does: natively, some thousand at a time beside the
 * event loop, or in JavaScript in slices that let it go on. A value that does not open hinders no other.
 *
 * @param keyOf - gives the page's keys: active or decrypt-only, with provider-wrapped DEKs unwrapped
 * @returns for each envelope its value, or a MortiseError, told by `instanceof`, that `Opener.open` throws for it
 * @throws what `keyOf` throws that is no MortiseError or concerns more than one value
 */
export async function openMany(keyOf: KeyLookup, inputs: readonly OpenInput[]): Promise<unknown[]> {
  return openAs('value', keyOf, inputs)
}

/**
 * {@link openMany} for values that are sealed again, as `Opener.openEncoded` does it.
 *
 * @returns for each envelope T, as `encodeValue` writes it, or the error
 */
export async function openManyEncoded(
  keyOf: KeyLookup,
  inputs: readonly OpenInput[],
): Promise<(Uint8Array | MortiseError)[]> {
  return (await openAs('encoded', keyOf, inputs)) as (Uint8Array | MortiseError)[]
}

/**
 * {@link openMany} without the ciphertexts, as `Opener.unlock` does it.
 *
 * @returns for each envelope true, or the error that `Opener.unlock` throws for it
 */
export async function unlockMany(
  keyOf: KeyLookup,
  inputs: readonly OpenInput[],
): Promise<(true | MortiseError)[]> {
  return (await openAs('unlocked', keyOf, inputs)) as (true | MortiseError)[]
}

async function openAs(
  as: OpenAs,
  keyOf: KeyLookup,
  inputs: readonly OpenInput[],
): Promise<unknown[]> {
  const native = nativeAddon()
  if (native !== null) return openPages(native, keyOf, inputs, as)
  const open = openOne(keyOf, as)
  const opened: unknown[] = []
  await inSlices(inputs, (input) => {
    opened.push(open(input))
  })
  return opened
}
