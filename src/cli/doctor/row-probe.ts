import type { Query } from '../../key-store/store'
import { tablePath } from '../../rotation/table-path'
import type { EncryptedTable } from '../../schema'
import { type Found, skipped } from './finding'

/** A question about the rows of a table: does any satisfy the condition? */
export interface RowProbe {
  /** SQL over the row, which is named `r`. */
  readonly condition: string
  /** What it means that one does. */
  readonly found: Found
}

const QUERY_CANCELED = '57014'

/**
 * Asks several questions about the rows of one table with one pass over it: each statement stops at the
 * first row that answers one of them, and the next asks the others.
 *
 * @returns what was found; what took too long is `skipped`
 */
export async function probeRows(
  query: Query,
  table: EncryptedTable,
  probes: readonly RowProbe[],
): Promise<Found[]> {
  const found: Found[] = []
  let open = probes
  while (open.length > 0) {
    try {
      const [row] = await query(firstRow(table, open), [])
      if (!row) break
      const answered = (_probe: RowProbe, place: number): boolean => row[`p${place}`] === true
      found.push(...open.filter(answered).map((probe) => probe.found))
      open = open.filter((probe, place) => !answered(probe, place))
    } catch (error) {
      if (!isCanceled(error)) throw error
      return [...found, ...open.map(undecided)]
    }
  }
  return found
}

/** Whether a statement was given up because it took longer than it may. */
export function isCanceled(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === QUERY_CANCELED
}

/** The answer to a question that would have taken too long. */
export function tooLong(subject: string): Found {
  return skipped(
    subject,
    'the table is too large to be read in the time that is allowed',
    'npx mortise doctor --data-source FILE --deep',
  )
}

function undecided({ found: { subject } }: RowProbe): Found {
  return tooLong(subject)
}

function firstRow(table: EncryptedTable, probes: readonly RowProbe[]): string {
  const answers = probes.map(({ condition }, place) => `(${condition}) IS TRUE AS p${place}`)
  const conditions = probes.map(({ condition }) => `(${condition})`)
  return `SELECT ${answers.join(', ')} FROM ${tablePath(table)} AS r
    WHERE ${conditions.join(' OR ')} LIMIT 1`
}
