import type { FieldContext } from '../envelope/field-context'
import { checkPrefix } from '../envelope/format'
import { createKeyRequest, type KeyRequestBuilder } from '../envelope/key-request'
import { ofOneValue } from '../envelope/one-value'
import { decryptionFailed, type KeyLookup, keyNameOf } from '../envelope/open'
import type { OpenInput } from '../envelope/open-many'
import { encodeRowId, type RowIdKind } from '../envelope/row-id'
import { MortiseError, type MortiseErrorCode } from '../errors'
import type { KeyAccess, OpeningKeys, SubjectKey } from '../keys/access'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import type { KeyColumn } from './job/key-columns'
import type { FailedValue, SourceRow } from './job/table-task'
import { quote } from './table-path'

/** A stored value of a page. */
export interface StoredValue {
  readonly row: SourceRow
  /** Of its column, among those of the table. */
  readonly place: number
  readonly column: EncryptedTableColumn
  /** Or the part of it that was read. */
  readonly envelope: Buffer
  /** What it is opened as. */
  readonly context: FieldContext
  /** Canonical id of the row's subject; null where the field, or the row, has none. */
  readonly subject: string | null
  /** Where the envelope is bound to its row. */
  readonly rowId: Buffer | undefined
}

/** A value that opened. */
export interface OpenedValue<T> {
  readonly stored: StoredValue
  readonly opened: T
}

/** A value that did not open. */
export interface FailedOpening extends Pick<StoredValue, 'row' | 'place' | 'column'> {
  readonly code: MortiseErrorCode
}

/** How rows are opened. */
export interface RowOpening<T> {
  readonly access: KeyAccess
  readonly columns: readonly EncryptedTableColumn[]
  /** The primary key, for envelopes that are bound to one which is not declared any more. */
  readonly keys: readonly KeyColumn[]
  /** The envelope in what was read as `e1`, `e2`… */
  envelopeOf(stored: unknown, column: EncryptedTableColumn): Buffer
  /** What a value with these flags is opened as. */
  contextOf(place: number, flags: number): FieldContext
  /** `openMany`, `openManyEncoded` or `unlockMany`. */
  open(keyOf: KeyLookup, inputs: readonly OpenInput[]): Promise<(T | MortiseError)[]>
}

/** A page that was opened. */
export interface OpenedPage<T> {
  readonly opened: readonly OpenedValue<T>[]
  /** Values whose subject was shredded. */
  readonly shredded: readonly StoredValue[]
  readonly failed: readonly FailedOpening[]
  readonly keys: OpeningKeys
}

/** What {@link openPage} reads beside the envelopes: `s1`, `s2`… the subjects of the row, as text. */
export function subjectColumns({ columns }: EncryptedTable): string[] {
  return columns.flatMap(({ subject }, place) =>
    subject === null ? [] : [`r.${quote(subject.column)}::text AS s${place + 1}`],
  )
}

/**
 * Opens the values of a page: all keys are fetched with one question for each kind, and what is wrong with
 * one value hinders no other.
 *
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had
 */
export async function openPage<T>(
  opening: RowOpening<T>,
  rows: readonly SourceRow[],
): Promise<OpenedPage<T>> {
  const needed = createKeyRequest()
  const { values, failed } = readRows(opening, rows, needed)
  const { access } = opening
  const keys = await access.keysFor(needed.request)
  const refs = await subjectRefs(access, values)
  const shredded: StoredValue[] = []
  const toOpen: StoredValue[] = []
  const inputs: OpenInput[] = []
  for (const stored of values) {
    if (isShredded(stored, keys)) {
      shredded.push(stored)
      continue
    }
    // Here and where rows are read not by `attempt`: that would be a closure for each value.
    try {
      const { envelope, context: field, rowId } = stored
      inputs.push({ envelope, field, rowId, subjectRef: subjectRefOf(stored, keys, refs) })
      toOpen.push(stored)
    } catch (error) {
      failed.push(failedOpening(stored, ofOneValue(error)))
    }
  }
  const opened: OpenedValue<T>[] = []
  const results = await opening.open(keys.keyOf, inputs)
  toOpen.forEach((stored, i) => {
    const result = results[i] as T | MortiseError
    if (result instanceof MortiseError) failed.push(failedOpening(stored, result))
    else opened.push({ stored, opened: result })
  })
  return { opened, shredded, failed, keys }
}

function failedOpening(
  { row, place, column }: Pick<StoredValue, 'row' | 'place' | 'column'>,
  { code }: MortiseError,
): FailedOpening {
  return { row, place, column, code }
}

/** What a report says of a value that a job cannot deal with. */
export function failureOf(
  { row, column }: Pick<StoredValue, 'row' | 'column'>,
  code: MortiseErrorCode,
): FailedValue {
  return { key: row.key, column: column.column, code }
}

function readRows<T>(
  opening: RowOpening<T>,
  rows: readonly SourceRow[],
  needed: KeyRequestBuilder,
): { readonly values: StoredValue[]; readonly failed: FailedOpening[] } {
  const values: StoredValue[] = []
  const failed: FailedOpening[] = []
  for (const row of rows) {
    for (const [place, column] of opening.columns.entries()) {
      const stored = row.values[`e${place + 1}`]
      if (stored === null || stored === undefined) continue
      try {
        const value = readValue(opening, row, place, stored)
        needed.add(value.envelope, value.context)
        values.push(value)
      } catch (error) {
        failed.push(failedOpening({ row, place, column }, ofOneValue(error)))
      }
    }
  }
  return { values, failed }
}

function readValue<T>(
  { columns, keys, envelopeOf, contextOf }: RowOpening<T>,
  row: SourceRow,
  place: number,
  stored: unknown,
): StoredValue {
  const column = columns[place] as EncryptedTableColumn
  const envelope = envelopeOf(stored, column)
  const context = contextOf(place, checkPrefix(envelope, column.field))
  const subject = column.subject?.idOf(row.values[`s${place + 1}`]) ?? null
  const rowId = context.rowBound ? boundRowId(column, keys, row) : undefined
  return { row, place, column, envelope, context, subject, rowId }
}

async function subjectRefs(
  access: KeyAccess,
  values: readonly StoredValue[],
): Promise<ReadonlyMap<string, Buffer>> {
  const subjects = new Set(
    values.flatMap(({ subject, context }) =>
      subject !== null && context.subject ? [subject] : [],
    ),
  )
  return subjects.size === 0 ? new Map() : access.subjectRefs(subjects)
}

/** A field that has a subject no longer has nothing to compare with: its key alone says whose it was. */
function subjectRefOf(
  { column, context, subject, envelope }: StoredValue,
  keys: OpeningKeys,
  refs: ReadonlyMap<string, Buffer>,
): Buffer | undefined {
  if (!context.subject) return undefined
  if (column.subject === null) {
    return (keys.keyOf(keyNameOf(envelope).id, 'subject') as SubjectKey).subjectRef
  }
  const ref = subject === null ? undefined : refs.get(subject)
  // A value whose row lost its subject is one that was moved.
  if (ref === undefined) throw decryptionFailed(column.field)
  return ref
}

function isShredded({ context, envelope }: StoredValue, keys: OpeningKeys): boolean {
  return context.subject && keys.shreddedAt(keyNameOf(envelope).id) !== undefined
}

const ROW_ID_KINDS: readonly (readonly [RegExp, RowIdKind])[] = [
  [/^uuid$/, 'uuid'],
  [/^(?:smallint|integer|bigint)$/, 'integer'],
  [/^(?:text|character varying(?:\(\d+\))?)$/, 'text'],
]

/** Of a field that is bound no longer, the primary key is the one that it was bound to. */
function boundRowId(
  { row: declared, field }: EncryptedTableColumn,
  keys: readonly KeyColumn[],
  { key }: SourceRow,
): Buffer | undefined {
  if (declared !== null) return declared.idOf(key[0]) ?? undefined
  const kind = ROW_ID_KINDS.find(([type]) => type.test(keys[0]?.type ?? ''))?.[1]
  if (kind !== undefined && keys.length === 1) return encodeRowId(kind, key[0], field)
  throw new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field} is bound to a primary key that its table has no longer`,
    { field },
  )
}
