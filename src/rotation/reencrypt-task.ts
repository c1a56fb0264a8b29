import { contextAsSealed, type FieldContext } from '../envelope/field-context'
import { openManyEncoded } from '../envelope/open-many'
import { fromStored } from '../envelope/stored-form'
import type { Query } from '../key-store/store'
import type { KeyAccess } from '../keys/access'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { keyColumns } from './job/key-columns'
import { refusedValues } from './job/refused-values'
import { replaceRows } from './job/replace-rows'
import type { PageWork, SourceRow, TableTask } from './job/table-task'
import { writeApart } from './job/write-apart'
import { failureOf, openPage, type RowOpening } from './opened-page'
import {
  countWanted,
  replacedEnvelopes,
  replacedRows,
  type WantedKeys,
  wantedEnvelopes,
} from './reencrypt-statements'
import { planSealing, type ResealedValue, sealRows } from './seal-rows'

/** What a re-encryption needs. */
export interface ReencryptContext {
  readonly query: Query
  readonly access: KeyAccess
  readonly keyIds: WantedKeys
  readonly dryRun: boolean
}

/**
 * Seals the values of one table again: a row is written once, whatever the number of its fields.
 *
 * @throws ERR_CONFIG where the table or a column of its primary key does not exist
 */
export async function reencryptTask(
  context: ReencryptContext,
  table: EncryptedTable,
): Promise<TableTask> {
  const { query, access, keyIds, dryRun } = context
  const keys = await keyColumns(query, table)
  const replaced = replacedEnvelopes(table)
  const replace = replaceRows(table, keys, replaced)
  const writePage = writeApart(replace, refusedValues(table, replaced), 'any')
  const opening: RowOpening<Uint8Array> = {
    ...{ access, keys, columns: table.columns },
    envelopeOf: (stored, { form, field }) => fromStored(stored, form, field),
    contextOf: contextsAsSealed(table, access.domain),
    open: openManyEncoded,
  }
  return {
    ...{ table, keys },
    source: wantedEnvelopes(table, keyIds),
    count: () => countWanted(query, table, keyIds),
    work: (rows) =>
      reencryptPage(opening, rows, dryRun, (run, values) =>
        writePage(run, replacedRows(table, values)),
      ),
  }
}

type Write = (
  query: Query,
  values: readonly ResealedValue[],
) => ReturnType<ReturnType<typeof writeApart>>

/** Values of shredded subjects are dealt with by leaving them: nobody can seal them again. */
async function reencryptPage(
  opening: RowOpening<Uint8Array>,
  rows: readonly SourceRow[],
  dryRun: boolean,
  write: Write,
): Promise<PageWork> {
  const { access } = opening
  const { opened, shredded, failed, keys } = await openPage(opening, rows)
  const plan = planSealing(access, opened)
  // The keys of new subjects would be made, and stay.
  const sealing = dryRun ? { resealed: [], failed: [] } : await sealRows(access, keys, plan.planned)
  return {
    values: plan.planned.length - sealing.failed.length + shredded.length,
    failed: [...failed.map((one) => failureOf(one, one.code)), ...plan.failed, ...sealing.failed],
    write: async (query) => {
      const written = await write(query, sealing.resealed)
      return { ...written, done: written.done + shredded.length }
    },
  }
}

const FLAG_BITS = 4

/** One context for each column and flags, made once. */
function contextsAsSealed(
  { columns }: EncryptedTable,
  domain: string,
): RowOpening<never>['contextOf'] {
  const made = new Map<number, FieldContext>()
  return (place, flags) => {
    const id = (place << FLAG_BITS) | flags
    const { definition } = columns[place] as EncryptedTableColumn
    const context = made.get(id) ?? contextAsSealed(definition.context(domain), flags)
    made.set(id, context)
    return context
  }
}
