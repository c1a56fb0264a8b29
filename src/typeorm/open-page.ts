import { createKeyRequest, type KeyRequestBuilder } from '../envelope/key-request'
import { decryptionFailed, keyNameOf } from '../envelope/open'
import { type OpenInput, openMany } from '../envelope/open-many'
import { inLanes } from '../envelope/slices'
import { fromStored, toStored } from '../envelope/stored-form'
import { MortiseError } from '../errors'
import type { Session } from '../key-store/store'
import type { OpeningKeys } from '../keys/access'
import { subjectShredded } from '../keys/key-use'
import type { EncryptedColumn } from './encrypted-column'
import type { RawRow } from './internals'
import { sealedOrThrow } from './open-values'
import { Opened } from './placeholder'
import { rowIdOf } from './row-column'
import type { Runtime } from './runtime'
import { subjectIdOf } from './subject-column'

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
  readonly runtime: Runtime
  readonly columns: readonly PageColumn[]
  readonly keys: OpeningKeys
  readonly refs: ReadonlyMap<string, Buffer>
}

/** One stored value of a page. */
interface Cell extends OpenInput {
  readonly row: RawRow
  readonly place: PageColumn
  readonly envelope: Buffer
}

/**
 * Values whose cells are in memory at one time: the more of them the collector meets, the more it
 * copies.
 */
const SLICE_VALUES = 1024

/**
 * Opens a page of raw rows in place: each envelope becomes an {@link Opened}, NULL stays NULL. A value
 * that does not open becomes one of a `Sealed` where the runtime asks for it, and hinders no other.
 *
 * All unknown keys are fetched with one question for each kind; opening asks for nothing more.
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
  if (needed.isEmpty()) return
  const keys = await runtime.keys.keysFor(needed.request, session)
  const subjects = collectSubjects(rows, columns)
  const refs = subjects.size === 0 ? NO_REFS : await runtime.keys.subjectRefs(subjects, session)
  const page = { runtime, columns, keys, refs }
  const length = Math.max(1, Math.floor(SLICE_VALUES / columns.length))
  const starts = Array.from({ length: Math.ceil(rows.length / length) }, (_, i) => i * length)
  await inLanes(starts, (start) => openSlice(page, rows, start, start + length))
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
      try {
        const envelope = reviveEnvelope(value, column)
        needed.add(envelope, column.context)
        if (envelope !== value) row[key] = envelope
      } catch (error) {
        row[key] = new Opened(sealedOrThrow(damaged, column, value, error), value)
      }
    }
  }
  return needed
}

/** Rows of the query cache went through JSON: `{ type: 'Buffer', data: […] }`. */
function reviveEnvelope(value: unknown, { field, form }: EncryptedColumn): Buffer {
  if (form === 'bytea' && Buffer.isBuffer(value)) return value
  const { type, data } = value as { type?: unknown; data?: unknown }
  const cached = type === 'Buffer' && Array.isArray(data) ? Buffer.from(data) : value
  return fromStored(cached, form, field.name)
}

function collectSubjects(rows: readonly RawRow[], columns: readonly PageColumn[]): Set<string> {
  const subjects = new Set<string>()
  for (const place of columns) {
    if (!place.column.subject) continue
    for (const row of rows) {
      const owner = Buffer.isBuffer(row[place.key]) ? ownerOf(row, place) : null
      if (owner !== null) subjects.add(owner)
    }
  }
  return subjects
}

const NO_REFS: ReadonlyMap<string, Buffer> = new Map()

function ownerOf(row: RawRow, { column, subjectKey }: PageColumn): string | null {
  return column.subject && subjectIdOf(column.subject, row[subjectKey as string])
}

async function openSlice(
  page: Page,
  rows: readonly RawRow[],
  from: number,
  to: number,
): Promise<void> {
  const cells: Cell[] = []
  for (const row of rows.slice(from, to)) {
    for (const place of page.columns) {
      const envelope = row[place.key]
      const cell = Buffer.isBuffer(envelope) ? cellOf(page, row, place, envelope) : null
      if (cell !== null) cells.push(cell)
    }
  }
  const values = await openMany(page.keys.keyOf, cells)
  cells.forEach((cell, i) => {
    const value = values[i]
    if (value instanceof MortiseError) refuse(page, cell, value)
    else settle(cell, value)
  })
}

/** What is to be opened; null where that is settled without. */
function cellOf(page: Page, row: RawRow, place: PageColumn, envelope: Buffer): Cell | null {
  const { row: bound, context: field } = place.column
  const rowId = bound ? (rowIdOf(bound, row[place.rowKey as string]) ?? undefined) : undefined
  if (!field.subject) return { row, place, envelope, field, rowId }
  const cell = { row, place, envelope, field, rowId, subjectRef: refOf(page, row, place) }
  const { id } = keyNameOf(envelope, field.name)
  const shreddedAt = page.keys.shreddedAt(id)
  if (shreddedAt) {
    if (page.runtime.shredded === 'null') settle(cell, null)
    else refuse(page, cell, subjectShredded(id, shreddedAt, field.name))
    return null
  }
  if (cell.subjectRef !== undefined) return cell
  // A value whose row lost its subject is one that was moved, not one that cannot be asked for yet.
  refuse(page, cell, decryptionFailed(field.name))
  return null
}

function refOf({ refs }: Page, row: RawRow, place: PageColumn): Buffer | undefined {
  const owner = ownerOf(row, place)
  return owner === null ? undefined : refs.get(owner)
}

function settle({ row, place, envelope }: Cell, value: unknown): void {
  row[place.key] = new Opened(value, toStored(envelope, place.column.form))
}

function refuse({ runtime }: Page, cell: Cell, error: MortiseError): void {
  settle(cell, sealedOrThrow(runtime.damaged, cell.place.column, cell.envelope, error))
}
