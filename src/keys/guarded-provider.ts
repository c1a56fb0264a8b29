import { MortiseError } from '../errors'
import type { KeyContext, KeyProvider, ProviderCallOptions } from '../providers/provider'
import { canaryContext, proveProvider } from './canary'
import { type CallCircumstances, ProviderCalls } from './provider-calls'

/** The URIs that a key store may hold. */
const PROVIDER_URI = /^[\x21-\x7e]{1,2048}$/

/** Whether `uri` can stand beside a wrap: 1 to 2048 printable ASCII characters without space. */
export function isProviderUri(uri: unknown): uri is string {
  return typeof uri === 'string' && PROVIDER_URI.test(uri)
}

/**
 * A provider of the keyring's allow-list. Every call opens it first where that is still to be done,
 * and is timed, retried and counted by {@link ProviderCalls}.
 */
export class GuardedProvider implements KeyProvider {
  readonly #provider: KeyProvider
  readonly #calls: ProviderCalls
  readonly #admit: (uri: string) => void
  #opened: boolean
  #opening: Promise<void> | undefined

  /** @param admit - throws where the set does not want a provider with this final URI */
  constructor(
    provider: KeyProvider,
    circumstances: CallCircumstances,
    admit: (uri: string) => void = () => {},
  ) {
    this.#provider = provider
    this.#calls = new ProviderCalls(provider, circumstances)
    this.#admit = admit
    this.#opened = provider.open === undefined
  }

  /** Final once any call has resolved. */
  get uri(): string {
    return this.#provider.uri
  }

  /** Whether {@link GuardedProvider.uri} is final. */
  get isOpen(): boolean {
    return this.#opened
  }

  /** The state of the breaker, for `keyring.health()`. */
  get breaker(): ProviderCalls['breaker'] {
    return this.#calls.breaker
  }

  /**
   * Wraps and unwraps a key that is made for it, with one attempt; see {@link proveProvider}.
   *
   * @throws as a call does; ERR_KEY_INTEGRITY where another key comes back
   */
  async prove(domain: string): Promise<void> {
    await this.open()
    const context = canaryContext(domain)
    await this.#calls.run({ operation: 'canary', context, once: true }, (signal) =>
      proveProvider(this.#provider, context, { signal }),
    )
  }

  /** Whether this was made from that very provider. */
  guards(provider: KeyProvider): boolean {
    return this.#provider === provider
  }

  /**
   * Resolves the URI: one attempt however many callers wait, and another one after a failure. A
   * caller that gives up leaves it to the others.
   */
  async open(options: ProviderCallOptions = {}): Promise<void> {
    if (this.#opened) return
    this.#opening ??= this.#openNow().finally(() => {
      this.#opening = undefined
    })
    await abandonable(this.#opening, options.signal)
  }

  async wrapKey(
    key: Uint8Array,
    context: KeyContext,
    options: ProviderCallOptions = {},
  ): Promise<Uint8Array> {
    await this.open(options)
    return this.#calls.run({ operation: 'wrap', context, signal: options.signal }, (signal) =>
      this.#provider.wrapKey(key, context, { signal }),
    )
  }

  async unwrapKey(
    wrapped: Uint8Array,
    context: KeyContext,
    options: ProviderCallOptions = {},
  ): Promise<Uint8Array> {
    await this.open(options)
    return this.#calls.run({ operation: 'unwrap', context, signal: options.signal }, (signal) =>
      this.#provider.unwrapKey(wrapped, context, { signal }),
    )
  }

  /** @returns `null` also for a provider that has no such call */
  async rewrapKey(
    wrapped: Uint8Array,
    context: KeyContext,
    sourceUri: string,
    options: ProviderCallOptions = {},
  ): Promise<Uint8Array | null> {
    if (this.#provider.rewrapKey === undefined) return null
    await this.open(options)
    return this.#calls.run(
      { operation: 'rewrap', context, signal: options.signal },
      async (signal) =>
        (await this.#provider.rewrapKey?.(wrapped, context, sourceUri, { signal })) ?? null,
    )
  }

  async close(): Promise<void> {
    await this.#provider.close?.()
  }

  async #openNow(): Promise<void> {
    await this.#calls.run({ operation: 'open' }, async (signal) =>
      this.#provider.open?.({ signal }),
    )
    const { uri } = this.#provider
    if (!isProviderUri(uri)) {
      throw new MortiseError(
        'ERR_CONFIG',
        'a key provider has no usable URI after open: 1 to 2048 printable ASCII characters without space',
      )
    }
    this.#admit(uri)
    this.#opened = true
  }
}

/** What `signal` ends is the waiting, not the work. */
function abandonable(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(signal.reason)
    if (signal.aborted) abandon()
    signal.addEventListener('abort', abandon, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon))
  })
}
