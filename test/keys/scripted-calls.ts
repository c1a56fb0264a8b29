import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import type { KeyProvider, ProviderCallOptions } from '../../src/providers/provider'

/** What a call comes to: an error to throw, `hang` for no answer, or the real one. */
export type Script = (call: string, options: ProviderCallOptions | undefined) => unknown

/** A provider whose calls go by a script, and the calls that it got. */
export interface FaultyProvider extends KeyProvider {
  readonly calls: string[]
  /** Decides over each call; undefined or `ok` lets it through. */
  script: Script | undefined
}

/** An in-app provider that shows faults which no real part can be made to show. */
export function faultyProvider(name = 'primary', resolved = name): FaultyProvider {
  const inner = inAppKeyProvider({ name: resolved, secret: generateRootKey() })
  const ask = async <T>(
    call: string,
    options: ProviderCallOptions | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> => {
    provider.calls.push(call)
    const fault = provider.script?.(call, options)
    if (fault === 'hang') await new Promise(() => {})
    if (fault !== undefined && fault !== 'ok') throw fault
    return work()
  }
  let uri = `in-app:${name}`
  const provider: FaultyProvider = {
    get uri() {
      return uri
    },
    calls: [],
    script: undefined,
    open: (options) =>
      ask('open', options, () => {
        uri = inner.uri
      }),
    wrapKey: (key, context, options) => ask('wrap', options, () => inner.wrapKey(key, context)),
    unwrapKey: (wrapped, context, options) =>
      ask('unwrap', options, () => inner.unwrapKey(wrapped, context)),
    close: () => ask('close', undefined, () => undefined),
  }
  return provider
}
