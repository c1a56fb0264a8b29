import type { SealInput } from '../../envelope/seal'
import { MortiseError } from '../../errors'
import type { KeyAccess, SealingKey } from '../../keys/access'
import { declaredIndexes, type IndexValue, indexValues, type MadeIndex } from '../index-values'
import type { FailedValue, SourceRow } from '../job/table-task'
import { failureOf } from '../opened-page'
import { sealMembers } from '../seal-members'
import { type AdoptingColumn, cellOf } from './adopting-table'
import { codeOf, type PlainValue } from './plain-values'

/** A value with what its columns will hold, but for the envelope. */
interface EncodedValue extends SealInput {
  readonly row: SourceRow
  readonly plain: PlainValue
  readonly subject: string | null
  readonly index: IndexValue
}

/** Everything that a row gets for a value. */
export interface SealedValue {
  readonly value: EncodedValue
  readonly envelope: Buffer
}

/**
 * Seals the values of a page: one DEK for all values of a row and subject, and all keys of the page looked
 * up at once.
 *
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had
 */
export async function sealValues(
  access: KeyAccess,
  values: readonly PlainValue[],
): Promise<{ readonly sealed: SealedValue[]; readonly failed: FailedValue[] }> {
  const failed: FailedValue[] = []
  const encoded: EncodedValue[] = []
  for (const [column, own] of byColumn(values)) {
    const made = indexValues(
      await declaredIndexes(access, column.definition),
      own.map(({ value }) => value),
    )
    own.forEach((plain, i) => {
      const index = made[i] as MadeIndex
      try {
        if ('code' in index) failed.push(failureOf(plain, index.code))
        else encoded.push(encode(access, plain, index))
      } catch (error) {
        failed.push(failureOf(plain, codeOf(error)))
      }
    })
  }
  const keys = await access.sealingKeys(new Set(encoded.map(({ subject }) => subject)))
  const page = await sealMembers(encoded, ({ subject }) => keys.get(subject) as SealingKey)
  failed.push(...page.failed.map(({ value, code }) => failureOf(value.plain, code)))
  return { sealed: page.sealed, failed }
}

/** The values of each column. */
export function byColumn(
  values: readonly PlainValue[],
): ReadonlyMap<AdoptingColumn, readonly PlainValue[]> {
  const columns = new Map<AdoptingColumn, PlainValue[]>()
  for (const value of values) {
    const own = columns.get(value.column)
    if (own) own.push(value)
    else columns.set(value.column, [value])
  }
  return columns
}

function encode({ domain }: KeyAccess, plain: PlainValue, index: IndexValue): EncodedValue {
  const { row, at, column, value } = plain
  const { definition } = column
  const encoded = definition.encode(value)
  const subject = column.subject?.idOf(cellOf(row, 's', at)) ?? null
  const rowId = column.row?.idOf(cellOf(row, 'o', at)) ?? undefined
  if ((column.subject && subject === null) || (column.row && rowId === undefined)) {
    throw new MortiseError('ERR_ROW_UNKNOWN', `${column.field}: its row names no subject`)
  }
  return { field: definition.context(domain), encoded, rowId, row, plain, subject, index }
}
