import { isMortiseError, MortiseError } from '../../errors'
import type { Query } from '../../key-store/store'
import type { Job, JobTable } from './ledger'

/**
 * Runs the first statement that meets the tables of jobs.
 *
 * @throws ERR_CONFIG where they are missing
 */
export async function askJobTables(
  query: Query,
  sql: string,
  parameters: readonly unknown[],
): ReturnType<Query> {
  try {
    return await query(sql, parameters)
  } catch (error) {
    const code = isMortiseError(error) ? undefined : (error as { code?: unknown } | null)?.code
    if (code !== '42P01') throw error
    throw new MortiseError(
      'ERR_CONFIG',
      'the tables mortise_job, mortise_job_shard and mortise_job_row do not exist in the database of ' +
        'the data: run the migrations, or `mortise init`',
      { cause: error },
    )
  }
}

/** A job as its row says it. */
export function jobOf(row: Readonly<Record<string, unknown>>): Job {
  return {
    id: String(row.id),
    parameters: JSON.parse(String(row.parameters)) as Job['parameters'],
    tables: JSON.parse(String(row.tables)) as JobTable[],
    createdAt: new Date(String(row.began_at)),
  }
}
