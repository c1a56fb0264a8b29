import { isMortiseError, MortiseError } from '../errors'
import type { KeyRecord } from '../key-store/store'
import { type Keyring, keyControl } from '../keys/keyring'
import { isProviderKey } from '../keys/provider-keys'
import { changeWraps, liveKeys, wrapOf } from './change-wraps'
import { type HistoryOptions, recorded } from './history-record'

/** Which provider to drop. */
export interface DropProviderOptions extends HistoryOptions {
  /** The `uri` of the provider, as the keyring has it or as the wraps name it. */
  readonly uri: string
}

/** What {@link dropProvider} did. */
export interface DropProviderReport {
  readonly providerUri: string
  /** Ids (16 hex digits) of the keys that the provider cannot open any more. */
  readonly dropped: readonly string[]
}

/**
 * Takes a provider's wraps off all keys, and the provider off the keyring's allow-list, closing it.
 *
 * Before anything is removed, every other configured provider that wraps one of these keys opens it
 * afresh; at least one must be able to, and none may find a wrap that is not the key's. An interrupted
 * run is completed by running it again. No row is touched. Whoever keeps a copy of the key store and
 * the use of the dropped provider can still open what that copy holds: after a compromise the keys
 * themselves must be replaced.
 *
 * Also take it out of the configuration of all processes: one that still has it keeps working, and
 * where it is the first there, it wraps the next key again.
 *
 * @throws ERR_CONFIG for a URI that is neither configured nor among the wraps, for the only provider
 *   of the keyring, and for a key whose other providers this keyring does not have
 * @throws ERR_KEY_STATE naming the keys of which it is the last wrap, or whose DEKs it wraps itself
 * @throws ERR_KEY_PROVIDER where no other provider could be asked, ERR_KEY_INTEGRITY where a wrap of
 *   another one does not belong to its key
 * @throws ERR_KEY_STORE where the key store cannot be written (`retryable` where others changed the
 *   wraps meanwhile)
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function dropProvider(
  keyring: Keyring,
  { uri: named, actor, reason }: DropProviderOptions,
): Promise<DropProviderReport> {
  const uri = await keyControl(keyring).wraps.resolve(named)
  return recorded(
    keyring,
    { verb: 'dropProvider', actor, reason, parameters: { providerUri: uri } },
    () => drop(keyring, uri),
    ({ dropped }) => ({ keyIds: dropped, counts: { dropped: dropped.length } }),
  )
}

async function drop(keyring: Keyring, uri: string): Promise<DropProviderReport> {
  const { wraps } = keyControl(keyring)
  const known = await wraps.uris()
  const others = known.filter((other) => other !== uri)
  const keys = await liveKeys(keyring)
  if (!known.includes(uri) && !keys.some((key) => wrapOf(key, uri))) throw unknown(uri, known)
  if (others.length === 0) throw onlyProvider(uri)
  const dropped = new Set(await removeWraps(keyring, uri, others))
  await wraps.disallow(uri)
  // A rotation that ran meanwhile kept the wrap for its new key.
  for (const id of await removeWraps(keyring, uri, others)) dropped.add(id)
  return { providerUri: uri, dropped: [...dropped] }
}

/** Refusals and proofs for all keys come first, then the removals. */
async function removeWraps(
  keyring: Keyring,
  uri: string,
  others: readonly string[],
): Promise<string[]> {
  const keys = (await liveKeys(keyring)).filter((key) => wrapOf(key, uri))
  refuseProviderKeys(keys, uri)
  const holders = keys.filter((key) => !isProviderKey(key))
  refuseLastWraps(holders, uri)
  for (const key of holders) await proveOthers(keyring, key, others)
  const dropped: string[] = []
  for (const key of holders) {
    const changed = await changeWraps(keyring, key, async (seen) => {
      if (wrapOf(seen, uri) === undefined) return null
      if (seen !== key) {
        refuseLastWraps([seen], uri)
        await proveOthers(keyring, seen, others)
      }
      return seen.wraps.filter(({ providerUri }) => providerUri !== uri)
    })
    if (changed) dropped.push(key.id)
  }
  return dropped
}

/** Asks all of them: a bad wrap that is left behind would close the key at its next use. */
async function proveOthers(
  keyring: Keyring,
  key: KeyRecord,
  others: readonly string[],
): Promise<void> {
  const { wraps } = keyControl(keyring)
  const remaining = key.wraps.filter(({ providerUri }) => others.includes(providerUri))
  if (remaining.length === 0) throw notConfigured(key)
  let proven = false
  let unavailable: unknown
  for (const wrap of remaining) {
    try {
      await wraps.prove(key, wrap)
      proven = true
    } catch (error) {
      if (!isMortiseError(error, 'ERR_KEY_PROVIDER')) throw error
      unavailable = error
    }
  }
  if (!proven) throw unavailable
}

/** A disabled one needs no provider, and keeps naming its own: enabling it again stays possible. */
function refuseProviderKeys(keys: readonly KeyRecord[], uri: string): void {
  const needing = keys.filter((key) => isProviderKey(key) && key.state !== 'disabled')
  if (needing.length === 0) return
  throw new MortiseError(
    'ERR_KEY_STATE',
    `${uri} wraps the DEKs of ${namesOf(needing)}: run rotateKek in a keyring whose first provider is another one, rewrap, and disableKey for these keys first`,
  )
}

function refuseLastWraps(keys: readonly KeyRecord[], uri: string): void {
  const last = keys.filter(({ wraps }) => wraps.length === 1)
  if (last.length === 0) return
  throw new MortiseError(
    'ERR_KEY_STATE',
    `${uri} holds the last wrap of ${namesOf(last)}: run addProvider with another provider first`,
  )
}

function namesOf(keys: readonly KeyRecord[]): string {
  const names = keys.map(({ id, purpose, version }) => `${purpose} key ${id} (version ${version})`)
  return names.join(', ')
}

function unknown(uri: string, known: readonly string[]): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${uri} wraps no key and is no provider of this keyring, which has ${known.join(', ')}`,
  )
}

function onlyProvider(uri: string): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${uri} is the only provider of this keyring: run addProvider with another one first`,
  )
}

function notConfigured(key: KeyRecord): MortiseError {
  const uris = key.wraps.map(({ providerUri }) => providerUri).join(', ')
  return new MortiseError(
    'ERR_CONFIG',
    `${namesOf([key])} is wrapped by ${uris}: this keyring has no other of these providers, so that it cannot prove that the key opens without the one to be dropped; add one to createKeyring`,
  )
}
