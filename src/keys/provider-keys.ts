import { MortiseError } from '../errors'
import type { KeyRecord } from '../key-store/store'
import type { KeyProvider } from '../providers/provider'
import type { ProviderDeks, ProviderKey } from './access'

/** What {@link ProviderKeys} works on. */
export interface ProviderKeySource {
  /** The configured provider with this URI, or ERR_KEY_PROVIDER. */
  readonly provider: (uri: string, record: KeyRecord) => Promise<KeyProvider>
}

/** Whether a key has no material: its provider wraps the DEKs themselves. */
export function isProviderKey(record: KeyRecord): boolean {
  return record.kcv.length === 0
}

/** DEKs that a provider wraps and unwraps itself: bounded concurrency, and a cache for reading. */
export class ProviderKeys {
  readonly #source: ProviderKeySource

  constructor(source: ProviderKeySource) {
    this.#source = source
  }

  /** The sealing side of a provider key. */
  sealing(record: KeyRecord): ProviderKey {
    throw this.#unsupported(record)
  }

  /** Unwraps the DEKs of a page that are not cached. */
  async opening(
    record: KeyRecord,
    _wrappedDeks: ReadonlyMap<string, Uint8Array>,
  ): Promise<ProviderDeks> {
    throw this.#unsupported(record)
  }

  /** Forgets every DEK of the keys that `keep` does not want. */
  retain(_keep: (id: string) => boolean): void {}

  #unsupported({ id }: KeyRecord): MortiseError {
    return new MortiseError('ERR_CONFIG', `${id}: not yet ${typeof this.#source}`)
  }
}
