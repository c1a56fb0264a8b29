import { isMortiseError, MortiseError } from '../errors'
import type { KeyProvider } from '../providers/provider'
import { GuardedProvider } from './guarded-provider'
import type { CallCircumstances } from './provider-calls'

/** A key carries at most as many wraps. */
export const MAX_PROVIDERS = 8

/**
 * The keyring's allow-list: the only providers that a stored URI is looked up in.
 *
 * A provider is opened before its first use, by itself: one that cannot be opened stands in the way
 * of another only where it may be the one that is looked for.
 */
export class ProviderSet {
  readonly #circumstances: CallCircumstances
  #members: readonly GuardedProvider[]

  /** @param providers - in the order of configuration; the first wraps new keys */
  constructor(providers: readonly KeyProvider[], circumstances: CallCircumstances) {
    this.#circumstances = circumstances
    this.#members = providers.map((provider) => this.#guard(provider))
  }

  /** All providers in the order of configuration, opened or not; without any I/O. */
  get members(): readonly GuardedProvider[] {
    return this.#members
  }

  /** The URIs as far as they are known, in the order of configuration; without any I/O. */
  get uris(): string[] {
    return this.#members.map(({ uri }) => uri)
  }

  /** The provider that wraps new keys, opened. */
  async first(): Promise<GuardedProvider> {
    const [first] = this.#members
    if (first === undefined) throw new RangeError('a provider set is never empty')
    await first.open()
    return first
  }

  /**
   * The provider with this URI, opened.
   *
   * @returns undefined where the allow-list has none
   * @throws what opening threw, where a provider that could not be opened may be the one
   */
  async get(uri: string): Promise<GuardedProvider | undefined> {
    const candidates = this.candidates(new Set([uri]))
    const failures: unknown[] = []
    const found = candidates.map(async (member) => {
      await member.open().catch((error: unknown) => {
        failures.push(error)
        throw error
      })
      if (member.uri !== uri) throw new RangeError(`${member.uri} is not ${uri}`)
      return member
    })
    try {
      return await Promise.any(found)
    } catch {
      if (failures.length > 0) throw failures[0]
      return undefined
    }
  }

  /**
   * All providers in the order of configuration, after an attempt to open each. One that could not be
   * opened is listed as well, under the URI that it was configured with: its calls try again, and
   * throw.
   */
  async list(): Promise<readonly GuardedProvider[]> {
    const members = this.#members
    await Promise.allSettled(members.map((member) => member.open()))
    return members
  }

  /**
   * Opens all that can be opened, to find those that turn out to be one and the same.
   *
   * @throws ERR_CONFIG for two with one URI, or where a package or setting is missing
   */
  async checkDistinct(): Promise<void> {
    const results = await Promise.allSettled(this.#members.map((member) => member.open()))
    for (const result of results) {
      if (result.status === 'rejected' && isMortiseError(result.reason, 'ERR_CONFIG')) {
        throw result.reason
      }
    }
  }

  /**
   * Those that may have one of these URIs, in the order of configuration, without any I/O: providers
   * with the URI, and unless those are all, the ones that are not opened yet.
   */
  candidates(uris: ReadonlySet<string>): readonly GuardedProvider[] {
    const named = this.#members.filter(({ uri }) => uris.has(uri))
    if (named.length === uris.size) return named
    return this.#members.filter((member) => uris.has(member.uri) || !member.isOpen)
  }

  /**
   * Opens a provider and adds it behind the others. One with the same URI stays the one that is used.
   *
   * @returns the one that is used under this URI
   * @throws ERR_CONFIG where there are 8 already
   */
  async add(provider: KeyProvider): Promise<GuardedProvider> {
    const own = this.#members.find((member) => member.guards(provider))
    if (own !== undefined) {
      await own.open()
      return own
    }
    const added = new GuardedProvider(provider, this.#circumstances)
    await added.open()
    await this.get(added.uri)
    const present = this.#members.find((member) => member.isOpen && member.uri === added.uri)
    if (present !== undefined) return present
    if (this.#members.length >= MAX_PROVIDERS) {
      throw new MortiseError(
        'ERR_CONFIG',
        `${added.uri} would be provider ${MAX_PROVIDERS + 1} of this keyring; ${MAX_PROVIDERS} are allowed: drop one first`,
      )
    }
    this.#members = [...this.#members, added]
    return added
  }

  /**
   * Takes a provider off the allow-list and closes it.
   *
   * @returns false where there is none with this URI
   * @throws ERR_CONFIG for the last one
   */
  async remove(uri: string): Promise<boolean> {
    const member = this.#members.find((candidate) => candidate.isOpen && candidate.uri === uri)
    if (member === undefined) return false
    if (this.#members.length === 1) {
      throw new MortiseError(
        'ERR_CONFIG',
        `${uri} is the only provider of this keyring: add another one first`,
      )
    }
    this.#members = this.#members.filter((other) => other !== member)
    await member.close()
    return true
  }

  /** Closes every provider; rejects with the first failure once all were tried. */
  async close(): Promise<void> {
    const results = await Promise.allSettled(this.#members.map((member) => member.close()))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #guard(provider: KeyProvider): GuardedProvider {
    const guarded: GuardedProvider = new GuardedProvider(provider, this.#circumstances, (uri) => {
      const twin = this.#members.some(
        (other) => other !== guarded && other.isOpen && other.uri === uri,
      )
      if (!twin) return
      throw new MortiseError(
        'ERR_CONFIG',
        `two providers of this keyring are ${uri}, one of them by another name: list it once`,
      )
    })
    return guarded
  }
}
