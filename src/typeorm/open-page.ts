import { createKeyRequest, type KeyRequestBuilder } from '../envelope/key-request'
import { decryptionFailed, keyNameOf } from '../envelope/open'
import { type OpenInput, openMany } from '../envelope/open-many'
import { fromStored } from '../envelope/stored-form'
import { isMortiseError, type MortiseError } from '../errors'
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

/** One stored value of a page. */
interface Cell extends OpenInput {
  readonly row: RawRow
  readonly place: PageColumn
  readonly envelope: Buffer
  /** The envelope as its column stores it. */
  readonly stored: unknown
  /** Known once the page is read. */
  subjectRef: Buffer | undefined
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
  const needed = createKeyRequest()
  const cells = collectCells(runtime, rows, columns, needed)
  if (cells.length === 0) return
  const keys = await runtime.keys.keysFor(needed.request, session)
  const ofSubjects = columns.some(({ column }) => column.subject !== null)
  const inputs = ofSubjects ? await withSubjects(runtime, cells, keys, session) : cells
  const values = await openMany(keys.keyOf, inputs)
  inputs.forEach((cell, i) => {
    const value = values[i]
    if (isMortiseError(value)) refuse(runtime, cell, value)
    else settle(cell, value)
  })
}

function settle({ row, place, stored }: Cell, value: unknown): void {
  row[place.key] = new Opened(value, stored)
}

function refuse({ damaged }: Runtime, cell: Cell, error: MortiseError): void {
  settle(cell, sealedOrThrow(damaged, cell.place.column, cell.envelope, error))
}

/** Notes the keys of all envelopes; what is none is sealed or thrown before any key is looked up. */
function collectCells(
  { damaged }: Runtime,
  rows: readonly RawRow[],
  columns: readonly PageColumn[],
  needed: KeyRequestBuilder,
): Cell[] {
  const cells: Cell[] = []
  for (const row of rows) {
    for (const place of columns) {
      const value = row[place.key]
      if (value === null || value === undefined || value instanceof Opened) continue
      const { column } = place
      try {
        const envelope = reviveEnvelope(value, column)
        needed.add(envelope, column.context)
        cells.push(cellOf(row, place, envelope, value))
      } catch (error) {
        row[place.key] = new Opened(sealedOrThrow(damaged, column, value, error), value)
      }
    }
  }
  return cells
}

function cellOf(row: RawRow, place: PageColumn, envelope: Buffer, value: unknown): Cell {
  const { row: bound, context: field, form } = place.column
  const rowId = bound ? (rowIdOf(bound, row[place.rowKey as string]) ?? undefined) : undefined
  const stored = form === 'text' ? value : envelope
  return { row, place, envelope, stored, field, rowId, subjectRef: undefined }
}

/** Rows of the query cache went through JSON: `{ type: 'Buffer', data: […] }`. */
function reviveEnvelope(value: unknown, { field, form }: EncryptedColumn): Buffer {
  if (form === 'bytea' && Buffer.isBuffer(value)) return value
  const { type, data } = value as { type?: unknown; data?: unknown }
  const cached = type === 'Buffer' && Array.isArray(data) ? Buffer.from(data) : value
  return fromStored(cached, form, field.name)
}

/** The cells that can be opened, with the refs of their rows' subjects; the others are settled. */
async function withSubjects(
  runtime: Runtime,
  cells: readonly Cell[],
  keys: OpeningKeys,
  session: Session,
): Promise<Cell[]> {
  const owners = cells.map(ownerOf)
  const subjects = new Set(owners.filter((owner) => owner !== null))
  const refs = subjects.size === 0 ? NO_REFS : await runtime.keys.subjectRefs(subjects, session)
  return cells.filter((cell, i) => {
    const { field, envelope } = cell
    if (!field.subject) return true
    const { id } = keyNameOf(envelope, field.name)
    const shreddedAt = keys.shreddedAt(id)
    if (shreddedAt) {
      if (runtime.shredded === 'null') settle(cell, null)
      else refuse(runtime, cell, subjectShredded(id, shreddedAt, field.name))
      return false
    }
    const owner = owners[i]
    cell.subjectRef = typeof owner === 'string' ? refs.get(owner) : undefined
    if (cell.subjectRef !== undefined) return true
    // A value whose row lost its subject is one that was moved, not one that cannot be asked for yet.
    refuse(runtime, cell, decryptionFailed(field.name))
    return false
  })
}

const NO_REFS: ReadonlyMap<string, Buffer> = new Map()

function ownerOf({ row, place: { column, subjectKey } }: Cell): string | null {
  return column.subject && subjectIdOf(column.subject, row[subjectKey as string])
}
