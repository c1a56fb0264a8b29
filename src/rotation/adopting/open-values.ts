import { createKeyRequest } from '../../envelope/key-request'
import { createOpener, keyNameOf } from '../../envelope/open'
import { fromStored } from '../../envelope/stored-form'
import { MortiseError } from '../../errors'
import type { KeyAccess, OpeningKeys } from '../../keys/access'
import { subjectShredded } from '../../keys/key-use'
import type { SourceRow } from '../job/table-task'
import { type AdoptingColumn, cellOf } from './adopting-table'
import { attempt } from './plain-values'

/** The opened values of a page: undefined for NULL, and for what does not open. */
export type OpenedValues = (row: SourceRow, at: number) => unknown

interface StoredValue {
  readonly row: SourceRow
  readonly at: number
  readonly column: AdoptingColumn
  readonly envelope: Buffer
  readonly subject: string | null
  readonly rowId: Buffer | undefined
}

/**
 * Opens the envelopes of a page: all its keys are fetched with one question for each kind.
 *
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had
 */
export async function openValues(
  access: KeyAccess,
  columns: readonly AdoptingColumn[],
  rows: readonly SourceRow[],
): Promise<OpenedValues> {
  const request = createKeyRequest()
  const stored = rows.flatMap((row) =>
    columns.flatMap((column, at) => {
      if (cellOf(row, 'e', at) === null) return []
      const read = attempt(() => readStored(row, at, column))
      const noted = attempt(() => {
        if (read.ok) request.add(read.result.envelope, column.definition.context(access.domain))
      })
      return read.ok && noted.ok ? [read.result] : []
    }),
  )
  const opened = new Map<SourceRow, Map<number, unknown>>()
  if (!request.isEmpty) {
    const keys = await access.keysFor(request.request)
    const subjects = new Set(stored.flatMap(({ subject }) => (subject === null ? [] : [subject])))
    const refs = await access.subjectRefs(subjects)
    const open = openerOf(access, keys, refs)
    for (const value of stored) {
      const result = attempt(() => open(value))
      const of = opened.get(value.row) ?? new Map<number, unknown>()
      if (result.ok) opened.set(value.row, of.set(value.at, result.result))
    }
  }
  return (row, at) => opened.get(row)?.get(at)
}

function readStored(row: SourceRow, at: number, column: AdoptingColumn): StoredValue {
  return {
    row,
    at,
    column,
    envelope: fromStored(cellOf(row, 'e', at), column.form, column.field),
    subject: column.subject?.idOf(cellOf(row, 's', at)) ?? null,
    rowId: column.row?.idOf(cellOf(row, 'o', at)) ?? undefined,
  }
}

function openerOf(
  access: KeyAccess,
  keys: OpeningKeys,
  refs: ReadonlyMap<string, Buffer>,
): (value: StoredValue) => unknown {
  const opener = createOpener(keys.keyOf)
  return ({ column, envelope, subject, rowId }) => {
    const { id } = keyNameOf(envelope, column.field)
    const shreddedAt = keys.shreddedAt(id)
    if (shreddedAt) throw subjectShredded(id, shreddedAt, column.field)
    const ref = subject === null ? undefined : refs.get(subject)
    if (column.subject && !ref) {
      throw new MortiseError('ERR_ROW_UNKNOWN', `${column.field}: its row names no subject`)
    }
    return opener.open(envelope, column.definition.context(access.domain), rowId, ref)
  }
}
