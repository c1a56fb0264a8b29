import { keyIdBytes } from '../bytes'
import { KEY_BYTES, type SecretKey, secretKey } from '../crypto/secret-key'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyRecord } from '../key-store/store'
import type { KeyContext, KeyProvider } from '../providers/provider'
import type { ProviderDeks, ProviderKey } from './access'
import { type ConcurrencyLimit, concurrencyLimit } from './concurrency-limit'
import { DekCache, type DekCacheLimits } from './dek-cache'
import { checkWrappedLength } from './wrapped-length'

/** What {@link ProviderKeys} works on. */
export interface ProviderKeySource {
  /** The configured provider with this URI, or ERR_KEY_PROVIDER. */
  readonly provider: (uri: string, record: KeyRecord) => Promise<KeyProvider>
  readonly limits: ProviderKeyLimits
}

/** What bounds the calls and the memory of {@link ProviderKeys}. */
export interface ProviderKeyLimits extends DekCacheLimits {
  /** DEKs that one provider wraps or unwraps at a time. */
  readonly concurrency: number
}

/** Why a page fails: the calls that it still waits for are not made any more. */
interface Page {
  failure: unknown
}

/** Whether a key has no material: its provider wraps the DEKs themselves. */
export function isProviderKey(record: KeyRecord): boolean {
  return record.kcv.length === 0
}

/**
 * DEKs that a provider wraps and unwraps itself.
 *
 * A KMS has no call for many DEKs at once, so a page costs one call per record that is not cached;
 * what limits the damage is the number of calls under way, and that each blob is asked for once.
 */
export class ProviderKeys {
  readonly #source: ProviderKeySource
  readonly #cache: DekCache
  readonly #limits = new Map<string, ConcurrencyLimit>()
  readonly #unwrapping = new Map<string, Promise<SecretKey | null>>()

  constructor(source: ProviderKeySource) {
    this.#source = source
    this.#cache = new DekCache(source.limits)
  }

  /** The sealing side of a provider key. */
  sealing(record: KeyRecord): ProviderKey {
    const { id, domain, version } = record
    return {
      id,
      idBytes: keyIdBytes(id),
      domain,
      version,
      wrapDek: (dek) => this.#wrap(record, dek),
    }
  }

  /**
   * The DEKs of a page: from memory, else from the provider. A blob that does not authenticate is
   * left out, so that its envelopes, and no others, fail with the one error of opening.
   *
   * @throws ERR_KEY_PROVIDER where the provider cannot be asked; the page's other calls are given up
   */
  async opening(
    record: KeyRecord,
    wrappedDeks: ReadonlyMap<string, Uint8Array>,
  ): Promise<ProviderDeks> {
    const page: Page = { failure: undefined }
    const deks = new Map<string, SecretKey>()
    await Promise.all(
      [...wrappedDeks].map(async ([text, wrappedDek]) => {
        const dek = await this.#dekOf(record, wrappedDek, page)
        if (dek !== null) deks.set(text, dek)
      }),
    )
    return { id: record.id, domain: record.domain, deks }
  }

  /** Forgets every DEK of the keys that `keep` does not want. */
  retain(keep: (id: string) => boolean): void {
    this.#cache.retain(keep)
  }

  /** Forgets everything, for good. */
  discard(): void {
    this.#cache.discard()
  }

  async #wrap(record: KeyRecord, dek: Uint8Array): Promise<Uint8Array> {
    const uri = providerUriOf(record)
    const provider = await this.#source.provider(uri, record)
    const wrapped = await this.#limitOf(uri)(() => provider.wrapKey(dek, dekContext(record)))
    checkWrappedLength(wrapped, 'a wrapped DEK', uri)
    return wrapped
  }

  async #dekOf(record: KeyRecord, wrappedDek: Uint8Array, page: Page): Promise<SecretKey | null> {
    const name = DekCache.nameOf(record.id, wrappedDek)
    const cached = this.#cache.take(name) ?? this.#unwrapping.get(name)
    if (cached !== undefined) return cached
    const unwrapping = this.#unwrap(record, wrappedDek, page).finally(() =>
      this.#unwrapping.delete(name),
    )
    this.#unwrapping.set(name, unwrapping)
    const dek = await unwrapping
    if (dek !== null) this.#cache.put(name, record.id, dek)
    return dek
  }

  async #unwrap(record: KeyRecord, wrappedDek: Uint8Array, page: Page): Promise<SecretKey | null> {
    const uri = providerUriOf(record)
    const provider = await this.#source.provider(uri, record)
    return this.#limitOf(uri)(async () => {
      if (page.failure !== undefined) throw page.failure
      try {
        return importDek(await provider.unwrapKey(wrappedDek, dekContext(record)))
      } catch (error) {
        if (isMortiseError(error, 'ERR_KEY_INTEGRITY')) return null
        page.failure = error
        throw error
      }
    })
  }

  #limitOf(uri: string): ConcurrencyLimit {
    const limit = this.#limits.get(uri) ?? concurrencyLimit(this.#source.limits.concurrency)
    this.#limits.set(uri, limit)
    return limit
  }
}

/** One wrap that only names its provider: two of them would leave open who is to be asked. */
function providerUriOf({ id, domain, version, wraps }: KeyRecord): string {
  const [wrap] = wraps
  if (wrap !== undefined && wraps.length === 1 && wrap.wrapped.length === 0) return wrap.providerUri
  throw new MortiseError(
    'ERR_KEY_INTEGRITY',
    `key ${id} (domain ${domain}, data, version ${version}) has no key material and must name exactly one provider: the key store was changed; restore it from a backup`,
    { failure: 'integrity' },
  )
}

/** The identity that a provider binds into the wrap of a DEK. */
export function dekContext({ domain, purpose, id, version }: KeyRecord): KeyContext {
  return { use: 'dek', domain, purpose, id, version }
}

/** Imports the DEK and zeroes the bytes; step 4 of opening asks for exactly 32. */
function importDek(bytes: Uint8Array): SecretKey | null {
  const dek = bytes.length === KEY_BYTES ? secretKey(bytes) : null
  bytes.fill(0)
  return dek
}
