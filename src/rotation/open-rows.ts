import { createKeyRequest } from '../envelope/key-request'
import { createOpener, decryptionFailed, keyNameOf } from '../envelope/open'
import { fromStored } from '../envelope/stored-form'
import type { MortiseErrorCode } from '../errors'
import type { KeyAccess, OpeningKeys } from '../keys/access'
import type { EncryptedTableColumn } from '../schema'
import type { SourceRow } from './job/table-task'
import { attempt } from './one-value'
import { quote } from './table-path'

/** What became of one stored value. */
export type OpenedValue =
  | { readonly kind: 'value'; readonly value: unknown }
  /** NULL. */
  | { readonly kind: 'null' }
  /** Its subject's key was destroyed. */
  | { readonly kind: 'shredded' }
  | { readonly kind: 'failed'; readonly code: MortiseErrorCode }

/** The parts of a SELECT that {@link openRows} reads, in a statement in which the row is `r`. */
export function openedColumns(columns: readonly EncryptedTableColumn[]): string[] {
  return columns.flatMap(({ column, subject, row }, i) => [
    `r.${quote(column)} AS e${i + 1}`,
    ...(subject ? [`r.${quote(subject.column)}::text AS s${i + 1}`] : []),
    ...(row ? [`r.${quote(row.column)}::text AS o${i + 1}`] : []),
  ])
}

/** A stored value, taken apart. */
interface Stored {
  readonly column: EncryptedTableColumn
  readonly envelope: Buffer
  readonly subject: string | null
  readonly rowId: Buffer | undefined
}

/**
 * Opens the values of a page of rows: all its keys are fetched with one question for each kind, and what
 * is wrong with one value hinders no other.
 *
 * @returns for each row its values in the order of the columns
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had
 */
export async function openRows(
  access: KeyAccess,
  columns: readonly EncryptedTableColumn[],
  rows: readonly SourceRow[],
): Promise<OpenedValue[][]> {
  const stored = rows.map(({ values }) => columns.map((column, at) => read(values, column, at)))
  const request = createKeyRequest()
  const subjects = new Set<string>()
  for (const value of stored.flat()) {
    if (value === null || 'code' in value) continue
    const { column, envelope, subject } = value
    // What names no key fails where it is opened.
    attempt(() => request.add(envelope, column.definition.context(access.domain)))
    if (subject !== null) subjects.add(subject)
  }
  const keys = await access.keysFor(request.request)
  const refs = subjects.size === 0 ? new Map() : await access.subjectRefs(subjects)
  const open = openerOf(access, keys, refs)
  return stored.map((row) =>
    row.map((value): OpenedValue => {
      if (value === null) return { kind: 'null' }
      return 'code' in value ? { kind: 'failed', code: value.code } : open(value)
    }),
  )
}

type Failure = { readonly code: MortiseErrorCode }

function read(
  values: SourceRow['values'],
  column: EncryptedTableColumn,
  at: number,
): Stored | Failure | null {
  const cell = values[`e${at + 1}`] ?? null
  if (cell === null) return null
  return attempt(() => ({
    column,
    envelope: fromStored(cell, column.form, column.field),
    subject: column.subject?.idOf(values[`s${at + 1}`] ?? null) ?? null,
    rowId: column.row?.idOf(values[`o${at + 1}`] ?? null) ?? undefined,
  }))
}

function openerOf(
  { domain }: KeyAccess,
  keys: OpeningKeys,
  refs: ReadonlyMap<string, Buffer>,
): (value: Stored) => OpenedValue {
  const opener = createOpener(keys.keyOf)
  return ({ column, envelope, subject, rowId }) => {
    const result = attempt((): OpenedValue => {
      const { id } = keyNameOf(envelope, column.field)
      if (keys.shreddedAt(id)) return { kind: 'shredded' }
      const ref = subject === null ? undefined : refs.get(subject)
      // As where the application reads it: a row that lost its subject holds a value that was moved.
      if (column.subject && !ref) throw decryptionFailed(column.field)
      const context = column.definition.context(domain)
      return { kind: 'value', value: opener.open(envelope, context, rowId, ref) }
    })
    return 'code' in result ? { kind: 'failed', code: result.code } : result
  }
}
