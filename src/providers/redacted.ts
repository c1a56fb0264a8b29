import type { KeyProvider } from './provider'

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/**
 * Freezes a provider and makes `inspect` and JSON show its URI and nothing else, whatever its
 * functions close over.
 */
export function redacted<P extends KeyProvider>(provider: P): P {
  return Object.freeze(
    Object.defineProperties(provider, {
      toJSON: { value: () => ({ uri: provider.uri }) },
      [INSPECT]: { value: () => `KeyProvider { uri: '${provider.uri}' }` },
    }),
  )
}
