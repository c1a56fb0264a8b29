import type { KeyProvider } from '../../providers/provider'

/** A provider, ready or to be waited for. */
export type MakeProvider = () => KeyProvider | Promise<KeyProvider>

/** What the conformance suite tests, and the situations that it cannot bring about itself. */
export interface ConformanceTarget {
  /** A new provider, bound to the same root key each time. The suite opens and closes it. */
  readonly create: MakeProvider
  /** A provider of the same kind, bound to another root key. */
  readonly createOther?: MakeProvider | undefined
  /** A provider whose service cannot be reached. */
  readonly createUnavailable?: MakeProvider | undefined
  /** A provider whose service takes requests and never answers. */
  readonly createHanging?: MakeProvider | undefined
  /** PINs, root keys and credentials: what the provider must never show. */
  readonly secrets?: readonly (string | Uint8Array)[] | undefined
}

/** One clause of the provider contract. */
export interface ConformanceCheck {
  /** A sentence, the same in every run, to name the test by. */
  readonly name: string
  /** Rejects with an Error that says what is violated. */
  readonly run: () => Promise<void>
}

/** A situation that not every target can bring about. */
type Situation = 'createOther' | 'createUnavailable' | 'createHanging'

/** A target that offers everything that the clause at hand needs. */
export type FullTarget = {
  readonly [K in keyof ConformanceTarget]-?: NonNullable<ConformanceTarget[K]>
}

/** A check before it is bound to a target, and what the target must offer for it. */
export type Clause = readonly [
  name: string,
  check: (target: FullTarget) => Promise<void>,
  needs?: Situation,
]

/** Opens a provider for one check, and closes it whatever comes of the check. */
export async function withProvider<T>(
  make: MakeProvider,
  use: (provider: KeyProvider) => Promise<T>,
): Promise<T> {
  const provider = await make()
  try {
    await provider.open?.()
    return await use(provider)
  } finally {
    await provider.close?.()
  }
}
