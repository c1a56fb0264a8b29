import type { KmsCall } from './call-log'
import type { KmsFaultName } from './fault-error'

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
  | Latency
  | { readonly status: number; readonly body: string }
  | { readonly alter: (answer: Readonly<Record<string, unknown>>) => object }

/** A fault, and which requests it meets: those that match everything that is given. */
export interface KmsFault {
  readonly effect: KmsFaultEffect
  /** For example `Decrypt`. */
  readonly operation?: string | undefined
  /** ARN of a key, however the request names it; of ReEncrypt either of its keys. */
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

/** What is left of an effect once its latency is over. */
export type ImmediateEffect = Exclude<KmsFaultEffect, Latency>

/** The faults of one emulator. */
export interface Faults {
  /** @returns removes the fault */
  inject(fault: KmsFault): () => void
  /** The faults that meet a request: every latency, and the first of the others. */
  take(call: KmsCall): { latencyMs: number; effect: ImmediateEffect | null }
  clear(): void
}

interface Latency {
  readonly latencyMs: number
}

const SCOPE = ['operation', 'region', 'caller'] as const

/** An emulator's faults; none at first. */
export function createFaults(): Faults {
  const active = new Map<KmsFault, number>()
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
      const faults = [...active.keys()].filter((fault) => meets(fault, call))
      const delays = faults.filter(({ effect }) => isLatency(effect))
      const other = faults.find(({ effect }) => !isLatency(effect))
      for (const fault of other === undefined ? delays : [...delays, other]) use(fault)
      return {
        latencyMs: delays.reduce((sum, { effect }) => sum + (effect as Latency).latencyMs, 0),
        effect: (other?.effect as ImmediateEffect | undefined) ?? null,
      }
    },
    clear: () => active.clear(),
  }
}

function meets(fault: KmsFault, call: KmsCall): boolean {
  if (!SCOPE.every((name) => fault[name] === undefined || fault[name] === call[name])) return false
  return fault.keyArn === undefined || [call.keyArn, call.sourceKeyArn].includes(fault.keyArn)
}

function isLatency(effect: KmsFaultEffect): effect is Latency {
  return typeof effect === 'object' && 'latencyMs' in effect
}

function checkTimes({ times = Number.POSITIVE_INFINITY }: KmsFault): number {
  if (times >= 1) return times
  throw new RangeError('times must be 1 or more')
}
