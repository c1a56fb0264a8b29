import { createKeyRequest, type KeyRequestBuilder } from '../envelope/key-request'
import { createOpener, decryptionFailed, keyNameOf, type Opener } from '../envelope/open'
import { fromStored, toStored } from '../envelope/stored-form'
import type { Session } from '../key-store/store'
import type { OpeningKeys } from '../keys/access'
import { subjectShredded } from '../keys/key-use'
import type { EncryptedColumn } from './encrypted-column'
import type { RawRow } from './internals'
import { openOrSeal } from './open-values'
import { Opened } from './placeholder'
import { rowIdOf } from './row-column'
import type { Runtime } from './runtime'
import { isSealed } from './sealed'
import { type SubjectColumn, subjectIdOf } from './subject-column'

/** Where the envelopes of one column are in the rows of a page. */
export interface PageColumn {
  /** Name in the raw row. */
  readonly key: string
  readonly column: EncryptedColumn
  /** Name of the row's subject in the raw row; null where the column has none. */
  readonly subjectKey: string | null
  /** Name of the row's primary key in the raw row; null where the column is not bound to it. */
  readonly rowKey: string | null
}

/** What the values of one page are opened with. */
interface Page {
  readonly keys: OpeningKeys
  readonly opener: Opener
  readonly refs: ReadonlyMap<string, Buffer>
  readonly shredded: Runtime['shredded']
  readonly damaged: Runtime['damaged']
}

/**
 * Opens a page of raw rows in place: each envelope becomes an {@link Opened}, NULL stays NULL. A value
 * that does not open becomes one of a `Sealed` where the runtime asks for it, and hinders no other.
 *
 * All unknown keys are fetched with one question for each kind; opening is then synchronous.
 *
 * @throws ERR_KEY_NOT_FOUND, ERR_KEY_STATE for the keys, ERR_SUBJECT_SHREDDED where the runtime does
 *   not ask for null, ERR_DECRYPTION_FAILED and the envelope errors for the values, each naming
 *   entity.property
 */
export async function openPage(
  runtime: Runtime,
  rows: readonly RawRow[],
  columns: readonly PageColumn[],
  session: Session,
): Promise<void> {
  if (rows.length === 0 || columns.length === 0) return
  await runtime.prepare(session)
  const needed = collectKeys(runtime, rows, columns)
  if (needed.isEmpty) return
  const keys = await runtime.keys.keysFor(needed.request, session)
  const subjects = collectSubjects(rows, columns)
  const refs = await subjectRefs(runtime, subjects, session)
  const { shredded, damaged } = runtime
  const page = { keys, opener: createOpener(keys.keyOf), refs, shredded, damaged }
  for (const row of rows) {
    for (const column of columns) {
      const sealed = row[column.key]
      if (!Buffer.isBuffer(sealed)) continue
      const value = openOrSeal(page.damaged, column.column, sealed, () =>
        openCell(page, row, column, sealed),
      )
      row[column.key] = new Opened(value, toStored(sealed, column.column.form))
    }
  }
}

function openCell(page: Page, row: RawRow, place: PageColumn, sealed: Buffer): unknown {
  const { field, context, subject } = place.column
  const rowId = rowIdAt(row, place)
  if (!subject) return page.opener.open(sealed, context, rowId)
  const { id } = keyNameOf(sealed, field.name)
  const shreddedAt = page.keys.shreddedAt(id)
  if (shreddedAt) {
    if (page.shredded === 'null') return null
    throw subjectShredded(id, shreddedAt, field.name)
  }
  const owner = subjectOfRow(row, place, subject)
  const ref = owner === null ? undefined : page.refs.get(owner)
  // A value whose row lost its subject is one that was moved, not one that cannot be asked for yet.
  if (ref === undefined) throw decryptionFailed(field.name)
  return page.opener.open(sealed, context, rowId, ref)
}

function rowIdAt(row: RawRow, { rowKey, column }: PageColumn): Buffer | undefined {
  if (!column.row) return undefined
  return rowIdOf(column.row, row[rowKey as string]) ?? undefined
}

function subjectOfRow(row: RawRow, { subjectKey }: PageColumn, subject: SubjectColumn) {
  return subjectIdOf(subject, row[subjectKey as string])
}

function collectSubjects(rows: readonly RawRow[], columns: readonly PageColumn[]): Set<string> {
  const subjects = new Set<string>()
  for (const place of columns) {
    const { subject } = place.column
    if (!subject) continue
    for (const row of rows) {
      if (!Buffer.isBuffer(row[place.key])) continue
      const id = subjectOfRow(row, place, subject)
      if (id !== null) subjects.add(id)
    }
  }
  return subjects
}

async function subjectRefs(
  { keys }: Runtime,
  subjects: ReadonlySet<string>,
  session: Session,
): Promise<ReadonlyMap<string, Buffer>> {
  return subjects.size === 0 ? new Map() : keys.subjectRefs(subjects, session)
}

/** Notes the keys of all envelopes; what is none is sealed or thrown before any key is looked up. */
function collectKeys(
  { damaged }: Runtime,
  rows: readonly RawRow[],
  columns: readonly PageColumn[],
): KeyRequestBuilder {
  const needed = createKeyRequest()
  for (const row of rows) {
    for (const { key, column } of columns) {
      const value = row[key]
      if (value === null || value === undefined || value instanceof Opened) continue
      const envelope = openOrSeal(damaged, column, value, () => {
        const bytes = reviveEnvelope(value, column)
        needed.add(bytes, column.context)
        return bytes
      })
      row[key] = isSealed(envelope) ? new Opened(envelope, value) : envelope
    }
  }
  return needed
}

/** Rows of the query cache went through JSON: `{ type: 'Buffer', data: […] }`. */
function reviveEnvelope(value: unknown, { field, form }: EncryptedColumn): Buffer {
  const { type, data } = value as { type?: unknown; data?: unknown }
  const cached = type === 'Buffer' && Array.isArray(data) ? Buffer.from(data) : value
  return fromStored(cached, form, field.name)
}
