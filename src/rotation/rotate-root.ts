import { MortiseError } from '../errors'
import { type Keyring, keyControl } from '../keys/keyring'
import { isProviderKey } from '../keys/provider-keys'
import { noMaterial } from './add-provider'
import { changeWraps, liveKeys, type SkippedKey, withWrap, wrapOf } from './change-wraps'
import { type HistoryOptions, recorded } from './history-record'

/** Between which providers; both are URIs of the keyring's own. */
export interface RotateRootOptions extends HistoryOptions {
  /** Whose wraps are wrapped anew. @defaultValue `to`: its root key was rotated in place */
  readonly from?: string | undefined
  /** Who wraps. @defaultValue the keyring's first provider */
  readonly to?: string | undefined
}

/** What {@link rotateRoot} did. */
export interface RotateRootReport {
  readonly from: string
  readonly to: string
  /** Ids (16 hex digits) of the keys that `to` has wrapped anew. */
  readonly rewrapped: readonly string[]
  /** Keys that `from` does not wrap, or that have no material. */
  readonly skipped: readonly SkippedKey[]
}

/**
 * Wraps every KEK anew under a provider's present root key. KEKs, DEKs and rows stay as they are.
 *
 * Where the provider has a call for it (AWS KMS has, between its own keys) no key leaves its service
 * to be wrapped; each new wrap is then opened and compared with the key's check value before it takes
 * the place of the old one. With two providers the wrap of `from` stays: see `dropProvider`. May be
 * run again at any time.
 *
 * @throws ERR_CONFIG for a provider that the keyring does not have
 * @throws ERR_KEY_STATE for a key that has 8 wraps already, none of them by `to`
 * @throws ERR_KEY_PROVIDER, ERR_KEY_INTEGRITY where a provider cannot open or wrap: the key keeps the
 *   wraps that it had
 * @throws ERR_KEY_STORE where wraps cannot be stored (`retryable` where others changed them meanwhile)
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function rotateRoot(
  keyring: Keyring,
  options: RotateRootOptions = {},
): Promise<RotateRootReport> {
  const { wraps } = keyControl(keyring)
  const named = (uri: string | undefined) => (uri === undefined ? undefined : wraps.resolve(uri))
  const [givenFrom, givenTo] = await Promise.all([named(options.from), named(options.to)])
  const known = await wraps.uris()
  const to = givenTo ?? (known[0] as string)
  const from = givenFrom ?? to
  for (const uri of [from, to]) if (!known.includes(uri)) throw unknown(uri, known)
  const { actor, reason } = options
  return recorded(
    keyring,
    { verb: 'rotateRoot', actor, reason, parameters: { from, to } },
    () => wrapAnew(keyring, from, to),
    ({ rewrapped, skipped }) => ({
      keyIds: rewrapped,
      counts: { rewrapped: rewrapped.length, skipped: skipped.length },
    }),
  )
}

async function wrapAnew(keyring: Keyring, from: string, to: string): Promise<RotateRootReport> {
  const { wraps } = keyControl(keyring)
  const rewrapped: string[] = []
  const skipped: SkippedKey[] = []
  for (const key of await liveKeys(keyring)) {
    if (isProviderKey(key)) {
      skipped.push({ keyId: key.id, reason: noMaterial(key.wraps[0]?.providerUri) })
      continue
    }
    const changed = await changeWraps(keyring, key, async (seen) => {
      const source = wrapOf(seen, from)
      return source === undefined ? null : withWrap(seen, await wraps.move(seen, source, to))
    })
    if (changed) rewrapped.push(key.id)
    else skipped.push({ keyId: key.id, reason: `is not wrapped by ${from}` })
  }
  return { from, to, rewrapped, skipped }
}

function unknown(uri: string, known: readonly string[]): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `this keyring has no provider ${uri}; it has ${known.join(', ')}`,
  )
}
