import { MortiseError } from '../errors'
import type { ProviderKeyLimits } from './provider-keys'

/** How DEKs are handled that a provider wraps itself: `wrapping: 'provider'`. */
export interface DekOptions {
  /**
   * DEKs that one provider wraps or unwraps at the same time; the others wait. 1 to 1,000. An HSM
   * serves no more than its session pool allows, a KMS shares one quota for all its callers.
   *
   * @defaultValue 16
   */
  readonly concurrency?: number | undefined
  /**
   * Milliseconds that a DEK which was unwrapped for reading stays in memory; 0 keeps none.
   *
   * @defaultValue 300,000; at most 3,600,000
   */
  readonly ttlMs?: number | undefined
  /**
   * How many pages such a DEK may serve, the one that it was unwrapped for counted.
   *
   * @defaultValue 1,000; at most 1,000,000
   */
  readonly maxUses?: number | undefined
  /**
   * How many such DEKs are in memory; 0 keeps none.
   *
   * @defaultValue 10,000; at most 1,000,000
   */
  readonly maxCached?: number | undefined
}

const DEFAULTS = { concurrency: 16, ttlMs: 300_000, maxUses: 1000, maxCached: 10_000 }
const RANGES: Record<keyof DekOptions, readonly [min: number, max: number]> = {
  concurrency: [1, 1000],
  ttlMs: [0, 3_600_000],
  maxUses: [1, 1_000_000],
  maxCached: [0, 1_000_000],
}

/** The limits with their defaults, or ERR_CONFIG naming the option. */
export function checkDekOptions(options: DekOptions = {}): ProviderKeyLimits {
  const limits = { ...DEFAULTS }
  for (const name of Object.keys(RANGES) as (keyof DekOptions)[]) {
    const value = options[name] ?? DEFAULTS[name]
    const [min, max] = RANGES[name]
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new MortiseError('ERR_CONFIG', `deks.${name} must be a whole number, ${min} to ${max}`)
    }
    limits[name] = value
  }
  return limits
}
