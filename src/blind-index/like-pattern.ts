/** A LIKE pattern, read once. */
export interface LikePattern {
  /** The text before the first wildcard. */
  readonly prefix: string
  /** What follows it: nothing, one `%` at the end, or more than a prefix says. */
  readonly rest: 'nothing' | 'anything' | 'wildcards'
  matches(value: string): boolean
}

/** Any text, and any one character. */
const ANY = Symbol('%')
const ONE = Symbol('_')
type Part = string | typeof ANY | typeof ONE

/**
 * Reads a pattern as PostgreSQL does: `%` for any text, `_` for one character, a backslash before what
 * stands for itself.
 *
 * @returns undefined for a pattern that ends in an escaping backslash, which PostgreSQL refuses
 * @see PostgreSQL manual, 9.7.1 "LIKE"
 */
export function readLikePattern(pattern: string): LikePattern | undefined {
  const parts = partsOf([...pattern])
  if (!parts) return undefined
  const first = parts.findIndex((part) => typeof part !== 'string')
  const literals = first < 0 ? parts : parts.slice(0, first)
  const rest = parts.slice(literals.length)
  return {
    prefix: literals.join(''),
    rest: rest.length === 0 ? 'nothing' : rest.every(isAny) ? 'anything' : 'wildcards',
    matches: (value) => matchParts(parts, [...value]),
  }
}

const isAny = (part: Part | undefined): boolean => part === ANY

/** Characters are code points, as in the database. */
function partsOf(characters: readonly string[]): Part[] | undefined {
  const parts: Part[] = []
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]
    if (character === '%') parts.push(ANY)
    else if (character === '_') parts.push(ONE)
    else {
      const literal = character === '\\' ? characters[++index] : character
      if (literal === undefined) return undefined
      parts.push(literal)
    }
  }
  return parts
}

/** On a mismatch the last `%` takes one more character: never worse than length times length. */
function matchParts(parts: readonly Part[], characters: readonly string[]): boolean {
  let part = 0
  let at = 0
  let retryPart = -1
  let retryAt = -1
  while (at < characters.length) {
    if (isAny(parts[part])) {
      retryPart = ++part
      retryAt = at
    } else if (parts[part] === ONE || parts[part] === characters[at]) {
      part++
      at++
    } else if (retryPart >= 0) {
      part = retryPart
      at = ++retryAt
    } else return false
  }
  return parts.slice(part).every(isAny)
}

/** The pattern of the texts that begin with this one. */
export function beginningWith(prefix: string): string {
  return `${prefix.replace(/[\\%_]/g, '\\$&')}%`
}
