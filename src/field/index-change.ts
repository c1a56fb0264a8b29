import type { RangeOption } from '../blind-index/bucket'
import { declarationError } from '../blind-index/declaration-error'
import { defineField, type Field, type FieldOptions } from '../field'
import type { ExactOptions } from './exact-index'

/** What `reindex` is to change the indexes of a field to. What is left out stays as it is. */
export interface NextIndexes {
  /** As the field's own `exact`; tokens are made anew also where it is left out or the same. */
  readonly exact?: true | ExactOptions | undefined
  /** As the field's own `range`. */
  readonly range?: RangeOption | undefined
}

/**
 * Which column the next generation of an index is written to: one beside the field's own, the field's
 * own where it had no such index before, or none where nothing changes.
 */
export type NextColumn = 'beside' | 'own' | null

/** A field whose indexes are to change: the same values and envelopes, with three ways to ask. */
export interface IndexChange {
  /** Asked in the columns beside. */
  readonly next: Field
  /** Asked in the field's own columns, once these were rewritten. */
  readonly final: Field
  readonly exactColumn: NextColumn
  readonly rangeColumn: NextColumn
}

/**
 * Checks what a field's indexes are to change to.
 *
 * @param options - the field as it is
 * @returns the field with `next` in its declaration, and the fields after the change
 * @throws ERR_FIELD_INVALID, naming the field, for what `reindex` cannot change
 * @throws what `defineField` throws
 */
export function defineIndexChange(
  options: FieldOptions,
  next: NextIndexes,
): { readonly field: Field; readonly change: IndexChange } {
  const { name } = options
  checkNext(next, name)
  const before = defineField(options)
  const { exact = options.exact, range = options.range } = next
  const after = defineField({ ...options, exact, range })
  const exactColumn = after.exact && (before.exact ? 'beside' : 'own')
  const isSameRange = after.bucketing?.parameters === before.bucketing?.parameters
  const rangeColumn = isSameRange ? null : before.bucketing ? 'beside' : 'own'
  if (!exactColumn && !rangeColumn) {
    throw declarationError(
      name,
      'next changes nothing: name another exact or range, or leave it out',
    )
  }
  checkGroups(before, after)
  checkUnique(before, after)
  checkColumnType(before, after)
  const withKey: Field = { ...after, indexName: { ...after.indexName, generation: 'next' } }
  const field = { ...before, declaration: { ...before.declaration, next: after.declaration } }
  return { field, change: { next: withKey, final: { ...withKey }, exactColumn, rangeColumn } }
}

const OPTIONS: readonly string[] = ['exact', 'range']

function checkNext(next: unknown, name: string): void {
  if (typeof next !== 'object' || next === null) {
    throw declarationError(name, 'next takes an object: { exact, range }')
  }
  const unknown = Object.keys(next).find((option) => !OPTIONS.includes(option))
  if (unknown !== undefined) {
    throw declarationError(name, `next has no option '${unknown}'; it has ${OPTIONS.join(', ')}`)
  }
  if ((next as { exact?: unknown }).exact === false) {
    throw declarationError(name, 'next cannot take an index away; leave exact out to keep it')
  }
}

/** Tokens of a group are compared with each other, so that its fields could only change at one moment. */
function checkGroups(before: Field, after: Field): void {
  const group = before.exact?.group ?? after.exact?.group
  if (group === undefined || group === null) return
  throw declarationError(
    before.name,
    `next is not supported in a group ('${group}'), whose fields would have to change at one moment; ` +
      'declare a second property with the new index, and move to it in the application',
  )
}

/** The constraint of the own column stays, and must be right for both generations. */
function checkUnique(before: Field, after: Field): void {
  if (!before.exact || before.exact.unique === after.exact?.unique) return
  throw declarationError(
    before.name,
    'unique must be the same in exact and in next.exact; add or drop it in a migration of its own',
  )
}

/** The next buckets are copied into the own column in the end. */
function checkColumnType(before: Field, after: Field): void {
  const [own, next] = [before.bucketing, after.bucketing]
  if (!own || !next || own.columnType === next.columnType) return
  throw declarationError(
    before.name,
    `the buckets of next.range are ${next.columnType}, and those of range ${own.columnType}: a column ` +
      'cannot change its type under running applications; declare a second property with the new ' +
      'range, and move to it in the application',
  )
}
