import { generateRootKey, inAppKeyProvider, type KeyProvider } from '../../src'

/** A provider in the place of a KMS or HSM, which counts its calls by operation and use. */
export interface CountedProvider {
  readonly provider: KeyProvider
  /** For example `{ 'wrap kek': 2, 'unwrap dek': 1 }`. */
  readonly calls: Record<string, number>
  reset(): void
}

export function countedProvider(secret: string = generateRootKey()): CountedProvider {
  const calls: Record<string, number> = {}
  const inner = inAppKeyProvider({ name: 'counted', secret })
  const count = (name: string) => {
    calls[name] = (calls[name] ?? 0) + 1
  }
  return {
    calls,
    reset() {
      for (const name of Object.keys(calls)) delete calls[name]
    },
    provider: {
      uri: inner.uri,
      wrapKey(key, context) {
        count(`wrap ${context.use}`)
        return inner.wrapKey(key, context)
      },
      unwrapKey(wrapped, context) {
        count(`unwrap ${context.use}`)
        return inner.unwrapKey(wrapped, context)
      },
    },
  }
}
