import type { FieldContext } from '../envelope/field-context'
import { openMany } from '../envelope/open-many'
import { fromStored } from '../envelope/stored-form'
import type { MortiseErrorCode } from '../errors'
import type { KeyAccess } from '../keys/access'
import type { EncryptedTableColumn } from '../schema'
import type { SourceRow } from './job/table-task'
import { openPage, type RowOpening, type StoredValue } from './opened-page'
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

/**
 * Opens the values of a page of rows as their fields are declared; see {@link openPage}.
 *
 * @returns for each row its values in the order of the columns
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had
 */
export async function openRows(
  access: KeyAccess,
  columns: readonly EncryptedTableColumn[],
  rows: readonly SourceRow[],
): Promise<OpenedValue[][]> {
  const contexts = columns.map(({ definition }) => definition.context(access.domain))
  const opening: RowOpening<unknown> = {
    ...{ access, columns, keys: [] },
    envelopeOf: (stored, { form, field }) => fromStored(stored, form, field),
    contextOf: (place) => contexts[place] as FieldContext,
    open: openMany,
  }
  const page = await openPage(opening, rows)
  const values = new Map(
    rows.map((row) => [row, columns.map((): OpenedValue => ({ kind: 'null' }))]),
  )
  const put = ({ row, place }: Pick<StoredValue, 'row' | 'place'>, value: OpenedValue): void => {
    const ofRow = values.get(row)
    if (ofRow) ofRow[place] = value
  }
  for (const one of page.opened) put(one.stored, { kind: 'value', value: one.opened })
  for (const one of page.shredded) put(one, { kind: 'shredded' })
  for (const one of page.failed) put(one, { kind: 'failed', code: one.code })
  return [...values.values()]
}
