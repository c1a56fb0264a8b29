import { nativeAddon } from '../crypto/native'
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
 * @returns for each envelope its value, or the error that `Opener.open` throws for it
 * @throws what `keyOf` throws beside a MortiseError
 */
export async function openMany(
  keyOf: KeyLookup,
  inputs: readonly OpenInput[],
  as: OpenAs = 'value',
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
