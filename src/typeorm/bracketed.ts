import type { Query } from '../key-store/store'

/** Runs `work` in a READ COMMITTED transaction on one connection: committed when it resolves. */
export function inTransaction<T>(query: Query, work: (query: Query) => Promise<T>): Promise<T> {
  return bracketed(query, work, {
    begin: 'BEGIN ISOLATION LEVEL READ COMMITTED',
    end: 'COMMIT',
    undo: 'ROLLBACK',
  })
}

/**
 * Runs `work` between two statements; where it fails, `undo` takes the place of the second.
 *
 * @throws what `work` throws
 */
export async function bracketed<T>(
  query: Query,
  work: (query: Query) => Promise<T>,
  sql: { readonly begin: string; readonly end: string; readonly undo: string },
): Promise<T> {
  await query(sql.begin, [])
  try {
    const result = await work(query)
    await query(sql.end, [])
    return result
  } catch (error) {
    // The first error says what is wrong; a connection that cannot roll back is lost as well.
    await query(sql.undo, []).catch(() => {})
    throw error
  }
}
