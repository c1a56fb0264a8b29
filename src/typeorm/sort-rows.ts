import { compareValues } from '../blind-index/value-order'
import type { ValueType } from '../envelope/value-type'
import type { RawRow } from './internals'
import { Opened } from './placeholder'

/** One key to sort raw rows by: an opened value, or a rank that the database gave. */
export interface SortKey {
  /** Name in the raw row. */
  readonly key: string
  /** Type of the opened value; null for a rank. */
  readonly type: ValueType | null
  readonly descending: boolean
  readonly nullsFirst: boolean
}

/** Sorts in place, stably: rows that are equal under all keys stay in the database's order. */
export function sortRows(rows: RawRow[], keys: readonly SortKey[]): RawRow[] {
  if (keys.length === 0) return rows
  return rows.sort((a, b) => {
    for (const key of keys) {
      const order = compareBy(key, a[key.key], b[key.key])
      if (order !== 0) return order
    }
    return 0
  })
}

function compareBy({ type, descending, nullsFirst }: SortKey, a: unknown, b: unknown): number {
  const left = a instanceof Opened ? a.needed() : (a ?? null)
  const right = b instanceof Opened ? b.needed() : (b ?? null)
  if (left === null || right === null) {
    if (left === right) return 0
    return (left === null) === nullsFirst ? -1 : 1
  }
  if (type === null) return Number(left) - Number(right)
  const order = compareValues(type, left, right)
  return descending ? -order : order
}
