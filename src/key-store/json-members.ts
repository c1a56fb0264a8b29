import { MortiseError } from '../errors'

/** Checked access to the members of one JSON object; everything unexpected is one error. */
export interface JsonMembers {
  text(key: string, pattern: RegExp): string
  oneOf<T extends string>(key: string, words: readonly T[]): T
  integer(key: string, min: number, max: number): number
  /** ISO 8601 text. */
  time(key: string): Date
  /** Hex text of `min` to `max` bytes. */
  bytes(key: string, min: number, max: number): Buffer
  /** The members of an array of at most `max` objects. */
  list(key: string, max: number): JsonMembers[]
  isNull(key: string): boolean
  has(key: string): boolean
}

/**
 * Reads untrusted JSON.
 *
 * @param origin - names the store in the error
 * @throws ERR_KEY_STORE naming the member, never what it holds
 */
export function jsonMembers(value: unknown, origin: string): JsonMembers {
  if (typeof value !== 'object' || value === null) malformed(origin, 'record')
  const json = value as Record<string, unknown>
  const check = <T>(key: string, fits: (member: unknown) => member is T): T => {
    const member = json[key]
    return fits(member) ? member : malformed(origin, key)
  }
  const text = (key: string, pattern: RegExp): string =>
    check(key, (member): member is string => isTextLike(member, pattern))
  return {
    text,
    oneOf: <T extends string>(key: string, words: readonly T[]) =>
      check(key, (member): member is T => (words as readonly unknown[]).includes(member)),
    integer: (key, min, max) =>
      check(key, (member): member is number => isIntegerIn(member, min, max)),
    time: (key) => {
      const date = new Date(text(key, /^\d{4}-\d\d-\d\dT/))
      return Number.isNaN(date.getTime()) ? malformed(origin, key) : date
    },
    bytes: (key, min, max) => {
      const digits = text(key, /^(?:[0-9a-f]{2})*$/)
      const size = digits.length / 2
      return size >= min && size <= max ? Buffer.from(digits, 'hex') : malformed(origin, key)
    },
    list: (key, max) =>
      check(key, (member): member is unknown[] => isListUpTo(member, max)).map((member) =>
        jsonMembers(member, origin),
      ),
    isNull: (key) => json[key] === null,
    has: (key) => Object.hasOwn(json, key),
  }
}

/**
 * The members of a list that a database gave as JSON text.
 *
 * @param column - names the list in the error
 */
export function jsonList(
  text: unknown,
  column: string,
  max: number,
  origin: string,
): JsonMembers[] {
  const list: unknown = JSON.parse(String(text ?? null))
  return jsonMembers({ [column]: list }, origin).list(column, max)
}

/** The one error for stored content that no release could have written. */
export function malformed(origin: string, what: string): never {
  throw new MortiseError(
    'ERR_KEY_STORE',
    `${origin} holds a malformed '${what}'; restore it from a backup, or use the release that wrote it`,
  )
}

function isTextLike(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value)
}

function isIntegerIn(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}

function isListUpTo(value: unknown, max: number): value is unknown[] {
  return Array.isArray(value) && value.length <= max
}
