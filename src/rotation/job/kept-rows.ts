import type { Query } from '../../key-store/store'
import type { RowKey } from './key-columns'
import type { Checkpoint } from './ledger'
import type { LedgerStatements } from './ledger-statements'

/**
 * Forgets what is kept of rows that are looked at again.
 *
 * @returns how many failures that was: they are found again, or are none any more
 */
export async function settleRows(
  query: Query,
  sql: LedgerStatements,
  place: readonly unknown[],
  { settled }: Checkpoint,
): Promise<number> {
  if (settled.length === 0) return 0
  const [known] = await query(sql.settle, [...place, settled.map(keyText)])
  return Number(known?.failed)
}

/** Keeps the failures of a page, and the rows that it had to leave. */
export async function keepRows(
  query: Query,
  sql: LedgerStatements,
  place: readonly unknown[],
  { failed, left }: Checkpoint,
): Promise<void> {
  const rows = [
    ...failed.map(({ key, column, code }) => ({ key, column, code, amount: 1 })),
    ...left.map(({ key, amount }) => ({ key, column: '', code: 'left', amount })),
  ]
  if (rows.length === 0) return
  await query(sql.insertRows, [
    ...place,
    rows.map(({ key }) => keyText(key)),
    rows.map(({ column }) => column),
    rows.map(({ code }) => code),
    rows.map(({ amount }) => amount),
  ])
}

/** A key as the ledger stores it. */
export function keyText(key: RowKey | null): string | null {
  return key === null ? null : JSON.stringify(key)
}

/** The key that is stored; null for NULL. */
export function keyOf(text: unknown): RowKey | null {
  return typeof text === 'string' ? (JSON.parse(text) as string[]) : null
}
