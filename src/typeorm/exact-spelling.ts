import type { ColumnMetadata } from './internals'

/** Collations that PostgreSQL has in every database and that tell every two texts apart. */
const BY_BYTES: readonly string[] = ['C', 'POSIX', 'ucs_basic', 'default']

/**
 * What is wrong with the collation of a column whose value is authenticated or picks a key.
 *
 * Under a collation that is not deterministic `update('ABC', …)` finds the row 'abc': its new values
 * would be sealed for a spelling that the row does not have, and never open. A declaration does not
 * tell which of the others are deterministic.
 */
export function looseCollation({ collation }: ColumnMetadata): string | undefined {
  if (!collation || BY_BYTES.includes(collation)) return undefined
  return `has the collation ${collation}, which may find one spelling by another: leave it out, or use "C"`
}
