import type { ValueTransformer } from 'typeorm'
import type { Field } from '../field'
import type { IndexChange } from '../field/index-change'
import type { ColumnRole } from './declaration'
import type { ChangingColumn, EncryptedColumn } from './encrypted-column'
import type { ColumnMetadata } from './internals'
import type { IndexSlot, IndexUse } from './placeholder'
import { indexTransformer } from './transformers'

/** One column of tokens or buckets. */
export interface HiddenColumn {
  readonly column: ColumnMetadata
  readonly transformer: ValueTransformer
}

/** By role. */
export type HiddenColumns = ReadonlyMap<ColumnRole, HiddenColumn>

/**
 * The columns of tokens and buckets, by role, each with the transformer that fills it.
 *
 * @param find - the column that the declaration made for a role
 */
export function hiddenColumns(
  find: (role: ColumnRole) => ColumnMetadata,
  field: Field,
  change: IndexChange | null,
): HiddenColumns {
  const columns = new Map<ColumnRole, HiddenColumn>()
  const add = (role: ColumnRole, use: IndexUse, column?: IndexSlot['column']): void => {
    const slot = change && column ? { column, current: field, next: change.next } : undefined
    columns.set(role, { column: find(role), transformer: indexTransformer(field, use, slot) })
  }
  for (const [use, role, beside] of ROLES) {
    const place = change && (use === 'token' ? change.exactColumn : change.rangeColumn)
    if (use === 'token' ? field.exact : field.bucketing) add(role, use, place ? 'own' : undefined)
    if (place === 'own') add(role, use, 'new')
    if (place === 'beside') add(beside, use, 'beside')
  }
  return columns
}

const ROLES = [
  ['token', 'hmac', 'hmac_next'],
  ['bucket', 'lofi', 'lofi_next'],
] as const

/** Puts an encrypted column together: as it is asked now, and where it changes, in every other way. */
export function withIndexes(
  sealing: Omit<EncryptedColumn, 'field' | 'hmac' | 'lofi' | 'hidden' | 'change'>,
  field: Field,
  declared: IndexChange | null,
  columns: HiddenColumns,
): EncryptedColumn {
  const find = (role: ColumnRole) => columns.get(role)?.column ?? null
  const hidden = [...columns.values()].map(({ column }) => column)
  const own = { hmac: find('hmac'), lofi: find('lofi') }
  const current = { ...sealing, field, hidden, change: null as ChangingColumn | null }
  const before = {
    ...current,
    hmac: field.exact && own.hmac,
    lofi: field.bucketing && own.lofi,
  }
  if (!declared) return before
  const beside = { hmac: find('hmac_next') ?? own.hmac, lofi: find('lofi_next') ?? own.lofi }
  const next = { ...current, ...beside, field: declared.next }
  const final = { ...current, ...own, field: declared.final }
  const change: ChangingColumn = { declared, current: before, next, final }
  for (const face of [before, next, final]) face.change = change
  return before
}
