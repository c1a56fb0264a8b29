/**
 * The text of a JSON value, or undefined where JSON would change it without a word.
 *
 * As in JSON: objects are written through their own `toJSON` (a Date becomes its ISO text), a
 * property that is `undefined` is left out, -0 becomes 0. Refused, because the value that comes out
 * would differ: NaN and infinities, functions, symbols and bigints at any depth, `undefined` as an
 * array element, a `toJSON` that gives null (an invalid Date), and objects that are neither plain
 * nor arrays and have no `toJSON` (Map, Set, RegExp, Error, typed arrays, boxed primitives). `null`
 * itself is SQL NULL and never a sealed value.
 */
export function writeJson(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value, refuseLossy)
    return isCanonical(text) ? text : undefined
  } catch {
    return undefined
  }
}

/**
 * Inverse of {@link writeJson}.
 *
 * @returns undefined for text that {@link writeJson} does not write
 */
export function readJson(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && JSON.stringify(value) === text ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * A Proxy can list its keys in an order that no parsed object has, and `JSON.rawJSON` can hold more
 * digits than a number: such text would be written once and never be read again.
 */
function isCanonical(text: string | undefined): boolean {
  return readJson(text) !== undefined
}

function refuseLossy(this: unknown, key: string, value: unknown): unknown {
  const inArray = Array.isArray(this)
  const dropped = value === undefined && !inArray
  if (!dropped && !isFaithful(value)) throw new TypeError('not JSON')
  if (value === null && (this as Record<string, unknown>)[key] !== null) {
    throw new TypeError('not JSON')
  }
  return value
}

function isFaithful(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'object':
      return value === null || isPlain(value)
    default:
      return false
  }
}

function isPlain(value: object): boolean {
  const tag = Object.prototype.toString.call(value)
  return tag === '[object Object]' || tag === '[object Array]'
}
