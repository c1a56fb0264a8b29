import { inspect, isDeepStrictEqual } from 'node:util'
import type { ObjectLiteral } from 'typeorm'
import { isMortiseError } from '../../../src'
import type { Property } from './values'

/** What a statement gave on one twin. */
export type Outcome =
  | { readonly kind: 'answer'; readonly value: unknown }
  | {
      readonly kind: 'error'
      readonly name: string
      readonly code: unknown
      readonly error: unknown
    }

/** How both twins fared: a refusal is the encrypted twin's alone. */
export type Verdict = 'answered' | 'failed-alike' | 'refused' | 'clear-failed'

const REFUSALS = ['ERR_QUERY_UNSUPPORTED', 'ERR_ROW_UNKNOWN', 'ERR_REFINE_LIMIT'] as const

/** What is run on both twins. */
export interface Comparison {
  run(clear: boolean): Promise<unknown>
  /** By name, over the whole graph. */
  readonly properties: ReadonlyMap<string, Property>
  /** What was run, for the failure. */
  show(): string
  /**
   * Whether a failure in clear must be the same failure on the encrypted twin. Not so for queries that
   * TypeORM renders wrongly: the encrypted twin asks in statements of its own.
   */
  readonly strict: boolean
}

/**
 * Runs the same on both twins; the encrypted one first.
 *
 * @throws Error where the answers differ: there is no third outcome
 */
export async function compareTwins({
  run,
  properties,
  show,
  strict,
}: Comparison): Promise<Verdict> {
  const sealed = await outcomeOf(run(false), properties)
  if (sealed.kind === 'error' && isRefusal(sealed.error)) return 'refused'
  const clear = await outcomeOf(run(true), properties)
  if (clear.kind === 'error' && !strict) return 'clear-failed'
  if (sealed.kind === 'answer' && clear.kind === 'answer') {
    if (isDeepStrictEqual(sealed.value, clear.value)) return 'answered'
  } else if (sealed.kind === 'error' && clear.kind === 'error') {
    if (sealed.name === clear.name && sealed.code === clear.code) return 'failed-alike'
  }
  throw new Error(
    `the twins differ\n${show()}\nencrypted: ${shown(sealed)}\nin clear:  ${shown(clear)}`,
  )
}

async function outcomeOf(
  running: Promise<unknown>,
  properties: ReadonlyMap<string, Property>,
): Promise<Outcome> {
  try {
    return { kind: 'answer', value: canonical(await running, properties) }
  } catch (error) {
    const { name, code } = error as Error & { code?: unknown }
    return { kind: 'error', name, code, error }
  }
}

/** Refused rightly: by the query layer, naming the property. */
function isRefusal(error: unknown): boolean {
  return (
    isMortiseError(error) &&
    (REFUSALS as readonly string[]).includes(error.code) &&
    /^\w+\.\w+/.test(error.field ?? '') &&
    error.message.includes(error.field ?? '')
  )
}

export function shown(value: unknown): string {
  return inspect(value, { depth: 30, breakLength: 200, compact: 8, maxArrayLength: 60 })
}

/** Values by what they mean: bytes of any class, texts whose case does not count. */
export function canonical(value: unknown, properties: ReadonlyMap<string, Property>): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return `at ${value.toISOString()}`
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map((one) => canonical(one, properties))
  const entries = Object.entries(value as ObjectLiteral)
    .filter(([, one]) => one !== undefined)
    .map(([name, one]) => [name, canonicalProperty(name, one, properties)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function canonicalProperty(
  name: string,
  value: unknown,
  properties: ReadonlyMap<string, Property>,
): unknown {
  // Set by the database's clock.
  if (name === 'deletedAt') return value === null ? null : 'deleted'
  const property = properties.get(name)
  if (property?.folded && typeof value === 'string') return value.toLowerCase()
  const part = canonical(value, properties)
  // The order in which related rows are loaded is nobody's promise.
  return Array.isArray(part) && !property ? [...part].sort(byText) : part
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}
