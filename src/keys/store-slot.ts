import { MortiseError } from '../errors'
import type { KeyStore } from '../key-store/store'

/** The key store of a keyring: given at construction, or attached later by its one DataSource. */
export class StoreSlot {
  #store: KeyStore | undefined
  #owner: object | undefined
  #released = false
  readonly #given: boolean

  constructor(given: KeyStore | undefined) {
    this.#store = given
    this.#given = given !== undefined
  }

  /** @throws ERR_CONFIG where the keyring has no store yet */
  get(): KeyStore {
    if (this.#store !== undefined) return this.#store
    throw new MortiseError(
      'ERR_CONFIG',
      'this keyring has no key store: pass `store` to createKeyring, or install it with withEncryption and initialize the DataSource first',
    )
  }

  /** A store that was given stays; see `KeyAccess.attachStore`. */
  attach(owner: object, create: () => KeyStore): void {
    if (this.#given) return
    if (this.#owner !== undefined && this.#owner !== owner && !this.#released) {
      throw new MortiseError(
        'ERR_CONFIG',
        'this keyring already keeps its keys in another DataSource: make one keyring for each DataSource, or pass `store` to createKeyring to share one',
      )
    }
    this.#released = false
    if (this.#owner === owner) return
    this.#store = create()
    this.#owner = owner
  }

  /** Another owner may take the keyring over; until one does, the store stays. */
  release(owner: object): void {
    if (this.#owner === owner) this.#released = true
  }

  async close(): Promise<void> {
    await this.#store?.close?.()
  }
}
