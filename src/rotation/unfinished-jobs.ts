import { qualifyWith } from '../key-store/create-tables'
import type { EncryptedSchema } from '../schema'

/** A batch job that has begun and not ended, whether or not anybody works on it now. */
export interface UnfinishedJob {
  readonly id: string
  readonly verb: string
}

/**
 * The jobs of the keyring's domain that are still to be done. None where the tables of jobs are
 * missing: without them no job begins.
 */
export async function unfinishedJobs({
  keyring,
  ownSchema,
  query,
}: EncryptedSchema): Promise<UnfinishedJob[]> {
  const table = qualifyWith(ownSchema ?? undefined)('mortise_job')
  const [found] = await query('SELECT to_regclass($1)::text AS name', [table])
  if (typeof found?.name !== 'string') return []
  const rows = await query(
    `SELECT id, verb FROM ${table} WHERE domain = $1 AND state = 'running' ORDER BY id`,
    [keyring.domain],
  )
  return rows.map(({ id, verb }) => ({ id: String(id), verb: String(verb) }))
}
