import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { plaintextForms } from '../../../src/testing/plaintext-forms'
import { canaries, STEMS } from './entities'

const FORMS = STEMS.flatMap(plaintextForms).map((form) => form.toLowerCase())

/** The stems that a text holds, in any form. */
export function leaksIn(text: string): string[] {
  const lower = text.toLowerCase()
  return FORMS.filter((form) => lower.includes(form))
}

/** Everything that an error shows, down to what the driver adds. */
export function everythingOf(error: unknown): string {
  const { message = '', stack = '' } = (error ?? {}) as Error
  return [
    message,
    stack,
    inspect(error, { depth: 8, showHidden: true }),
    json(error),
    own(error),
  ].join('\n')
}

/** Each property by itself: a getter or a hidden one may hold what inspect leaves out. */
function own(value: unknown, depth = 4): string {
  if (typeof value !== 'object' || value === null || depth === 0) return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  return Reflect.ownKeys(value)
    .map((key) => {
      try {
        return own((value as Record<PropertyKey, unknown>)[key], depth - 1)
      } catch {
        return ''
      }
    })
    .join('\n')
}

/** Errors of the driver hold sockets that refer to themselves. */
function json(value: unknown): string {
  const seen = new WeakSet<object>()
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return String(part)
    if (typeof part !== 'object' || part === null) return part
    if (seen.has(part)) return '[seen]'
    seen.add(part)
    return part
  })
}

/** The files of a stopped server that hold one of the byte sequences: tables, indexes, WAL, statistics. */
export function filesHolding(directory: string, needles: readonly Buffer[]): string[] {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, String(name)))
    .filter((path) => statSync(path).isFile())
    .filter((path) => {
      const bytes = readFileSync(path)
      return needles.some((needle) => bytes.includes(needle))
    })
}

/** How PostgreSQL itself would store the canaries: text in three cases, floats and timestamps in binary. */
export function storedForms(): Buffer[] {
  const texts = ['Xylophone', 'Wolfesch', 'bytecanary', 'zwieback', 'memorandum', 'marginalia']
  const spelt = texts.flatMap((text) => [text, text.toLowerCase(), text.toUpperCase()])
  const numbers = Array.from({ length: 70 }, (_, n) => canaries(n)).flatMap(({ income, seen }) => {
    const float = Buffer.alloc(8)
    float.writeDoubleLE(income)
    const timestamp = Buffer.alloc(8)
    timestamp.writeBigInt64LE((BigInt(seen.getTime()) - BigInt(Date.UTC(2000, 0))) * 1000n)
    return [float, timestamp]
  })
  return [...spelt.map((text) => Buffer.from(text)), ...numbers]
}
