import type { EncryptedColumn } from './encrypted-column'

/** Where an atom's value is: a column of one alias of the query. */
export interface ColumnPlace {
  readonly alias: string
  readonly column: EncryptedColumn
}

/**
 * A WHERE condition as a tree. `sql` of an atom is what the database evaluates; a lossy atom's `sql`
 * holds for a superset of the rows, its `sure` for a subset that needs no opening, and its `undecided`
 * for all that are in the one and not in the other: the bucket at the end of a range.
 */
export type Condition =
  | { readonly kind: 'plain'; readonly sql: string }
  | (Testable & { readonly kind: 'exact' })
  | Lossy
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }

/** Makes a parameter of a value, in the statement that is written, and gives its name in SQL. */
export type MakeParameter = (value: unknown) => string

/** An atom on one encrypted value. */
interface Testable extends ColumnPlace {
  readonly sql: string
  test(value: unknown): boolean
  /** The opposite, which agrees with SQL's NOT for NULL too. */
  negated(parameter: MakeParameter): Condition
  /** The same, by the columns that are to be asked now. */
  again(parameter: MakeParameter): Condition
}

interface Lossy extends Testable {
  readonly kind: 'lossy'
  readonly sure: string
  readonly undecided: string
}

/** The condition that always holds. */
export const ALWAYS: Condition = { kind: 'and', parts: [] }

/** What query builders render for an object or brackets that say nothing. Find options drop such parts. */
export const TRUE: Condition = { kind: 'plain', sql: '1=1' }

/** Joins conditions, dropping those that say nothing; TypeORM drops empty alternatives as well. */
export function join(kind: 'and' | 'or', conditions: readonly Condition[]): Condition {
  const parts = conditions.filter((condition) => !isEmpty(condition))
  return parts.length === 1 ? (parts[0] as Condition) : { kind, parts }
}

/** NOT, pushed down to the single conditions. */
export function negate(condition: Condition, parameter: MakeParameter): Condition {
  if ('parts' in condition) {
    const parts = condition.parts.map((part) => negate(part, parameter))
    return { kind: condition.kind === 'and' ? 'or' : 'and', parts }
  }
  return condition.kind === 'plain'
    ? { kind: 'plain', sql: `NOT (${condition.sql})` }
    : condition.negated(parameter)
}

/**
 * Compiles those parts of a condition again whose column is asked elsewhere by now.
 *
 * @returns the condition itself where nothing has changed
 */
export function upToDate(
  condition: Condition,
  isStale: (column: EncryptedColumn) => boolean,
  parameter: MakeParameter,
): Condition {
  if ('parts' in condition) {
    const parts = condition.parts.map((part) => upToDate(part, isStale, parameter))
    return parts.every((part, i) => part === condition.parts[i])
      ? condition
      : { ...condition, parts }
  }
  const isRight = condition.kind === 'plain' || !isStale(condition.column)
  return isRight ? condition : condition.again(parameter)
}

/** Whether the condition says nothing. */
export function isEmpty(condition: Condition): boolean {
  return 'parts' in condition ? condition.parts.length === 0 : condition.sql === ''
}

/** Whether no part of the condition is about an encrypted value. */
export function isPlain(condition: Condition): boolean {
  return 'parts' in condition ? condition.parts.every(isPlain) : condition.kind === 'plain'
}

/** Whether rows must be opened to know that they match. */
export function isLossy(condition: Condition): boolean {
  return 'parts' in condition ? condition.parts.some(isLossy) : condition.kind === 'lossy'
}

/** The SQL that no matching row fails; empty for no condition. */
export function supersetSql(condition: Condition): string {
  return render(condition, (atom) => atom.sql)
}

/** The SQL that only matching rows pass. */
export function sureSql(condition: Condition): string {
  return render(condition, (atom) => (atom.kind === 'lossy' ? atom.sure : atom.sql)) || 'TRUE'
}

/**
 * The SQL of the rows in the superset that only opening decides.
 *
 * A row that some atom leaves undecided is all that it can be; said beside the condition, it is what the
 * index of a bucket finds, where the whole range would have to be read otherwise.
 */
export function undecidedSql(condition: Condition): string {
  const ends = lossyAtoms(condition).map(({ undecided }) => `(${undecided})`)
  return (
    `${supersetSql(condition)} AND (${ends.join(' OR ')}) ` +
    `AND (${sureSql(condition)}) IS NOT TRUE`
  )
}

/** Whether the database alone can know of any row that it matches: a token with `bits` never can. */
export function canBeSure(condition: Condition): boolean {
  if ('parts' in condition) {
    const { kind, parts } = condition
    return kind === 'and' ? parts.every(canBeSure) : parts.some(canBeSure)
  }
  return condition.kind !== 'lossy' || condition.sure !== NEVER
}

/** SQL that holds for no row. */
export const NEVER = 'FALSE'

type Atom = Exclude<Condition, { readonly parts: readonly Condition[] }>

function render(condition: Condition, sqlOf: (atom: Atom) => string): string {
  if (!('parts' in condition)) return condition.sql === '' ? '' : `(${sqlOf(condition)})`
  if (condition.parts.length === 0) return ''
  const operator = condition.kind === 'and' ? ' AND ' : ' OR '
  return `(${condition.parts.map((part) => render(part, sqlOf)).join(operator)})`
}

/** What a row knows about a condition. */
export interface Evidence {
  /** The opened value of a place; undefined where the row does not carry it. */
  valueOf(place: ColumnPlace): unknown
  /** The database's own answer for a part that was selected as a flag; undefined where it was not. */
  flagOf(condition: Condition): boolean | undefined
}

/**
 * Whether a row that the superset found really matches. Plain and exact parts are the database's
 * answer: beside a lossy part inside an OR they were selected as flags, elsewhere they hold already.
 */
export function matches(condition: Condition, evidence: Evidence): boolean {
  const flag = evidence.flagOf(condition)
  if (flag !== undefined) return flag
  if (!isLossy(condition)) return true
  if (condition.kind === 'lossy') return condition.test(evidence.valueOf(condition))
  const { kind, parts } = condition as { kind: 'and' | 'or'; parts: readonly Condition[] }
  return kind === 'and'
    ? parts.every((part) => matches(part, evidence))
    : parts.some((part) => matches(part, evidence))
}

/**
 * Whether the opened values of a row contradict the condition that its tokens answered. Values and
 * flags that are not at hand cannot contradict.
 */
export function contradicts(condition: Condition, evidence: Evidence): boolean {
  if (condition.kind === 'plain') return evidence.flagOf(condition) === false
  if (!('parts' in condition)) {
    const value = evidence.valueOf(condition)
    return value !== undefined && !condition.test(value)
  }
  if (condition.parts.length === 0) return false
  return condition.kind === 'and'
    ? condition.parts.some((part) => contradicts(part, evidence))
    : condition.parts.every((part) => contradicts(part, evidence))
}

/** The largest parts without a lossy atom that stand in an OR with one: they need flags. */
export function flagParts(condition: Condition, insideOr = false): Condition[] {
  if (!isLossy(condition)) return insideOr && !isEmpty(condition) ? [condition] : []
  if (!('parts' in condition)) return []
  const inside = insideOr || condition.kind === 'or'
  return condition.parts.flatMap((part) => flagParts(part, inside))
}

/** The places whose values decide the lossy atoms. */
export function lossyPlaces(condition: Condition): ColumnPlace[] {
  return lossyAtoms(condition)
}

function lossyAtoms(condition: Condition): Lossy[] {
  if ('parts' in condition) return condition.parts.flatMap(lossyAtoms)
  return condition.kind === 'lossy' ? [condition] : []
}
