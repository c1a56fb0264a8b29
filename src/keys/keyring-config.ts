import type { KeyStore } from '../key-store/store'
import type { KeyProvider } from '../providers/provider'
import type { KeyCacheTimes } from './cache'
import type { KeyEventHandler } from './events'
import type { CallTimes } from './provider-calls'
import type { ProviderKeyLimits } from './provider-keys'

/** A checked configuration. */
export interface KeyringConfig {
  readonly domain: string
  /** At least one; the first wraps new keys. */
  readonly providers: readonly [KeyProvider, ...KeyProvider[]]
  readonly store: KeyStore | undefined
  /** Whether DEKs are wrapped under a KEK in this process, or by the provider itself. */
  readonly wrapping: 'local' | 'provider'
  readonly times: KeyCacheTimes & { readonly epochPollMs: number }
  readonly calls: CallTimes
  readonly deks: ProviderKeyLimits
  readonly emit: KeyEventHandler
}
