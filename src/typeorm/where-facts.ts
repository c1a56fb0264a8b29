import {
  type EntityMetadata,
  type FindOperator,
  InstanceChecker,
  type ObjectLiteral,
} from 'typeorm'
import { sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata } from './internals'
import { type RowColumn, rowIdOf } from './row-column'
import { type SubjectColumn, subjectIdOf } from './subject-column'

/**
 * What the conditions of a builder fix for every row that they match: subject columns, the primary key
 * of bound rows, and the plain values that they equal. Undefined where an OR leaves rows that they do not describe.
 */
export type WhereFacts = ReadonlyMap<ColumnMetadata, unknown>

/** The facts of one condition. Taken when it is given: the object may change afterwards. */
export function factsOf(metadata: EntityMetadata, where: unknown): WhereFacts {
  const facts = new Map<ColumnMetadata, unknown>()
  const [only, ...others] = Array.isArray(where) ? where : [where]
  if (typeof only !== 'object' || only === null || others.length > 0) return facts
  for (const { subject, row } of sealedColumnsOf(metadata)) {
    for (const place of [subject, row]) {
      const value = place && plainValue(place.column.getEntityValue(only as ObjectLiteral))
      if (place && value !== undefined) facts.set(place.column, value)
    }
  }
  return facts
}

/** The subject that the facts name, canonical; null where they do not. */
export function fixedSubject(facts: WhereFacts | undefined, subject: SubjectColumn): string | null {
  return subjectIdOf(subject, facts?.get(subject.column))
}

/** The one row that the facts name; null where they do not. */
export function fixedRow(facts: WhereFacts | undefined, row: RowColumn): Buffer | null {
  return rowIdOf(row, facts?.get(row.column))
}

/** `update(id, …)` arrives as an `Equal` on 1.x and as an `In` of one value on 0.3. */
function plainValue(value: unknown): unknown {
  const plain: unknown = InstanceChecker.isFindOperator(value) ? onlyValue(value) : value
  return ['string', 'number', 'bigint'].includes(typeof plain) ? plain : undefined
}

function onlyValue({ type, value }: FindOperator<unknown>): unknown {
  if (type === 'equal') return value
  return type === 'in' && Array.isArray(value) && value.length === 1 ? value[0] : undefined
}
