import type { EncryptedSchema } from '../../schema'
import { ledgerStatements } from './ledger-statements'

/**
 * Leaves a note at an open shard that nobody works on: the code of what its last worker ended with.
 * The next lease takes it away.
 */
export async function noteShardStop(
  { query, ownSchema }: EncryptedSchema,
  jobId: string,
  shard: number,
  code: string,
): Promise<void> {
  await query(ledgerStatements(ownSchema).noteStop, [jobId, shard, code])
}
