import { FindOperator, type ValueTransformer } from 'typeorm'
import { MortiseError } from '../errors'
import type { Field } from '../field'
import {
  type IndexSlot,
  type IndexUse,
  Opened,
  Placeholder,
  type PlaceholderUse,
} from './placeholder'
import { isSealed, type Sealed } from './sealed'

/** The transformer of an envelope column in a DataSource with a keyring. */
export function envelopeTransformer(field: Field): ValueTransformer {
  return { to: placeholders(field, 'seal'), from: (value) => takeOpened(field, value) }
}

/**
 * The transformer of a `_hmac` or `_lofi` column; what these hold is read as it is. Buckets are not secret,
 * and placeholders all the same: TypeORM would make a `Date` of a bucket of a timestamp column, and 0.3
 * compares it in two different forms.
 *
 * @param slot - where the column's generation is decided with each statement
 */
export function indexTransformer(field: Field, use: IndexUse, slot?: IndexSlot): ValueTransformer {
  return { to: placeholders(field, use, slot), from: (value) => value }
}

/**
 * TypeORM's change detection compares what `to()` returned for the stored and for the current value
 * by identity, one right after the other: remembering the last placeholder is enough to make an
 * unchanged value compare equal, and holds no more than one value.
 */
function placeholders(
  field: Field,
  use: PlaceholderUse,
  slot?: IndexSlot,
): (value: unknown) => unknown {
  let last: Placeholder | undefined
  const stays = sameSealed()
  return (value) => {
    if (isAbsent(value)) return value
    if (isSealed(value)) return stays(value)
    if (value instanceof FindOperator) throw unrewritten(field)
    if (!last?.standsFor(value)) last = new Placeholder(field, use, value, { slot })
    return last
  }
}

/** The same for values that do not open: two readings of one stored value are one. */
function sameSealed(): (value: Sealed) => Sealed {
  let last: Sealed | undefined
  return (value) => {
    if (last === undefined || !last.isSameAs(value)) last = value
    return last
  }
}

/** Only the page reader makes an `Opened`; anything else is ciphertext that nobody opened. */
function takeOpened(field: Field, value: unknown): unknown {
  if (isAbsent(value)) return value
  if (value instanceof Opened) return value.value
  throw new MortiseError(
    'ERR_QUERY_UNSUPPORTED',
    `${field.name} arrived unopened: this way of reading does not go through the page reader; ` +
      'use find() or getMany(), or open the raw value with createFieldCipher()',
    { field: field.name },
  )
}

/** A condition that reached TypeORM's own code would compare ciphertext and find nothing. */
function unrewritten(field: Field): MortiseError {
  return new MortiseError(
    'ERR_QUERY_UNSUPPORTED',
    `${field.name}: this form of condition is not supported; use find options or an object condition`,
    { field: field.name },
  )
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined
}
