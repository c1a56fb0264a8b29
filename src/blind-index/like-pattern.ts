/** A LIKE pattern, read once. */
export interface LikePattern {
  /** The text before the first wildcard. */
  readonly prefix: string
  /** What follows it: nothing, one `%` at the end, or more than a prefix says. */
  readonly rest: 'nothing' | 'anything' | 'wildcards'
  matches(value: string): boolean
}

const REGEXP_SPECIAL = /[\\^$.*+?()[\]{}|/-]/

/**
 * Reads a pattern as PostgreSQL does: `%` for any text, `_` for one character, a backslash before what
 * stands for itself.
 *
 * @returns undefined for a pattern that ends in an escaping backslash, which PostgreSQL refuses
 * @see PostgreSQL manual, 9.7.1 "LIKE"
 */
export function readLikePattern(pattern: string): LikePattern | undefined {
  let prefix = ''
  let wildcards = ''
  let expression = ''
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index] as string
    if (character === '%' || character === '_') {
      wildcards += character
      expression += character === '%' ? '.*' : '.'
      continue
    }
    if (character === '\\' && ++index === pattern.length) return undefined
    const literal = pattern[index] as string
    if (wildcards === '') prefix += literal
    else wildcards += 'x'
    expression += REGEXP_SPECIAL.test(literal) ? `\\${literal}` : literal
  }
  // "u": a character is a code point, as in the database; "s": a line break is one as well.
  const test = new RegExp(`^${expression}$`, 'su')
  const rest = wildcards === '' ? 'nothing' : /^%+$/.test(wildcards) ? 'anything' : 'wildcards'
  return { prefix, rest, matches: (value) => test.test(value) }
}

/** The pattern of the texts that begin with this one. */
export function beginningWith(prefix: string): string {
  return `${prefix.replace(/[\\%_]/g, '\\$&')}%`
}
