import { accessDenied } from './access'
import type { KmsCall } from './call-log'
import { KmsError } from './kms-error'
import { throttled } from './request-quota'

/** Errors that AWS KMS answers under a name of their own. */
export type KmsFaultName =
  | 'throttled'
  | 'disabled'
  | 'pending-deletion'
  | 'not-found'
  | 'denied'
  | 'expired-credentials'
  | 'incorrect-key'
  | 'invalid-ciphertext'
  | 'invalid-key-usage'
  | 'limit-exceeded'
  | 'key-unavailable'
  | 'dependency-timeout'
  | 'internal'
  | 'unavailable'

/**
 * What happens to a request instead of, or before, its answer:
 *
 * - the name of an error
 * - `hang`: never answers
 * - `reset`: destroys the connection before it answers
 * - `latencyMs`: waits first, and then answers; together with other faults
 * - `status` and `body`: a raw HTTP answer, such as a proxy's
 * - `alter`: changes the JSON of the real answer, to show that the caller checks it
 */
export type KmsFaultEffect =
  | KmsFaultName
  | 'hang'
  | 'reset'
  | { readonly latencyMs: number }
  | { readonly status: number; readonly body: string }
  | { readonly alter: (answer: Readonly<Record<string, unknown>>) => object }

/** A fault, and which requests it meets: those that match everything that is given. */
export interface KmsFault {
  readonly effect: KmsFaultEffect
  /** For example `Decrypt`. */
  readonly operation?: string | undefined
  /** ARN of a key, however the request names it. */
  readonly keyArn?: string | undefined
  /** For example `eu-central-1`. */
  readonly region?: string | undefined
  /** ARN of a caller. */
  readonly caller?: string | undefined
  /**
   * How many requests it meets.
   *
   * @defaultValue all, until it is removed
   */
  readonly times?: number | undefined
}

/** The faults of one emulator. */
export interface Faults {
  /** @returns removes the fault */
  inject(fault: KmsFault): () => void
  /** The faults that meet a request: every latency, and the first of the others. */
  take(call: KmsCall): {
    latencyMs: number
    effect: Exclude<KmsFaultEffect, { latencyMs: number }> | null
  }
  clear(): void
}

const SCOPE = ['operation', 'keyArn', 'region', 'caller'] as const

/** An emulator's faults; none at first. */
export function createFaults(): Faults {
  const active = new Map<KmsFault, number>()
  const matching = (call: KmsCall): KmsFault[] => [...active.keys()].filter((f) => meets(f, call))
  const use = (fault: KmsFault): void => {
    const left = (active.get(fault) as number) - 1
    if (left > 0) active.set(fault, left)
    else active.delete(fault)
  }
  return {
    inject(fault) {
      const own = { ...fault }
      active.set(own, checkTimes(fault))
      return () => void active.delete(own)
    },
    take(call) {
      const faults = matching(call)
      const delays = faults.flatMap((f) => (latency(f) === null ? [] : { fault: f }))
      const other = faults.find((f) => latency(f) === null)
      const latencyMs = delays.reduce((sum, { fault }) => sum + (latency(fault) ?? 0), 0)
      for (const { fault } of delays) use(fault)
      if (other === undefined) return { latencyMs, effect: null }
      use(other)
      return { latencyMs, effect: other.effect as Exclude<KmsFaultEffect, { latencyMs: number }> }
    },
    clear: () => active.clear(),
  }
}

/** The error that KMS answers, for the key and the caller of the request. */
export function faultError(name: KmsFaultName, call: KmsCall): KmsError {
  const key = call.keyArn ?? call.keyId ?? 'the key'
  const make = ERRORS[name]
  return make(key, call)
}

const ERRORS: Readonly<Record<KmsFaultName, (key: string, call: KmsCall) => KmsError>> = {
  throttled: () => throttled(),
  disabled: (key) => new KmsError('DisabledException', `${key} is disabled.`),
  'pending-deletion': (key) =>
    new KmsError('KMSInvalidStateException', `${key} is pending deletion.`),
  'not-found': (key) => new KmsError('NotFoundException', `Key '${key}' does not exist`),
  denied: (key, { caller, operation }) => accessDenied(caller, operation, key),
  'expired-credentials': () =>
    new KmsError('ExpiredTokenException', 'The security token included in the request is expired'),
  'incorrect-key': () =>
    new KmsError(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    ),
  'invalid-ciphertext': () => new KmsError('InvalidCiphertextException'),
  'invalid-key-usage': (key) =>
    new KmsError(
      'InvalidKeyUsageException',
      `${key} key usage is SIGN_VERIFY which is not valid for this operation.`,
    ),
  'limit-exceeded': () => new KmsError('LimitExceededException', 'A quota was exceeded.'),
  'key-unavailable': () =>
    new KmsError('KeyUnavailableException', 'The key is not available.', 500),
  'dependency-timeout': () =>
    new KmsError('DependencyTimeoutException', 'The request timed out.', 500),
  internal: () => new KmsError('KMSInternalException', 'An internal error occurred.', 500),
  unavailable: () => new KmsError('ServiceUnavailableException', 'Service Unavailable', 503),
}

function meets(fault: KmsFault, call: KmsCall): boolean {
  return SCOPE.every((name) => fault[name] === undefined || fault[name] === call[name])
}

function latency({ effect }: KmsFault): number | null {
  return typeof effect === 'object' && 'latencyMs' in effect ? effect.latencyMs : null
}

function checkTimes({ times = Number.POSITIVE_INFINITY }: KmsFault): number {
  if (times >= 1) return times
  throw new RangeError('times must be 1 or more')
}
