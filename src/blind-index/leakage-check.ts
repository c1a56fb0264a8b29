import type { ValueType } from '../envelope/value-type'
import { MortiseError } from '../errors'
import type { RangeOption } from './bucket'
import { declarationError } from './declaration-error'

/** A reason that a reviewer can judge needs a few words: `yes` or `ok` is none. */
const MIN_REASON_LENGTH = 10

/**
 * A closed set of fewer values is a tiny domain: a token tells most of its values by their frequency,
 * and `bits`, 8 at least, cannot blur it.
 */
const TINY_DOMAIN = 100

/** The declaration as {@link checkLeakage} judges it. */
export interface LeakageQuestion {
  /** `Entity.property`, for errors. */
  readonly field: string
  readonly type: ValueType
  /** How many values the field may hold; null where no closed set is declared. */
  readonly declaredValues: number | null
  readonly exact: boolean
  readonly range: RangeOption | undefined
  readonly acceptLeakage: string | undefined
}

/**
 * Refuses indexes that give most values away, unless the declaration says in writing why that is
 * acceptable: an exact index on a boolean, any index on an `enum` of fewer than 100 values, `step` of 1 or less, over 2 `decimals`, a date cut to its
 * day, a timestamp cut to its hour, a `prefix` over 3.
 *
 * `edges` are chosen one by one and are not judged.
 *
 * @throws ERR_LEAKAGE_NOT_ACCEPTED naming what shows and what to declare instead
 * @throws ERR_FIELD_INVALID where `acceptLeakage` is not a string
 * @see docs/leakage.md "Declarations that need a written reason"
 */
export function checkLeakage(question: LeakageQuestion): void {
  const { field, acceptLeakage: reason } = question
  if (reason !== undefined && typeof reason !== 'string') {
    throw declarationError(field, 'acceptLeakage is the written reason, a string')
  }
  if (reason !== undefined && reason.trim().length >= MIN_REASON_LENGTH) return
  const finding = exactLeakage(question) ?? rangeLeakage(question) ?? domainLeakage(question)
  if (finding === null) return
  throw new MortiseError(
    'ERR_LEAKAGE_NOT_ACCEPTED',
    `${field}: ${finding}, or say in acceptLeakage why that is acceptable` +
      ` (${MIN_REASON_LENGTH} characters or more)`,
    { field },
  )
}

function exactLeakage({ type, exact }: LeakageQuestion): string | null {
  if (!exact || type !== 'boolean') return null
  return (
    'an exact index on a boolean splits the rows in two groups, whose sizes tell which is which;' +
    ' declare no index and filter after opening'
  )
}

function domainLeakage({ declaredValues, exact, range }: LeakageQuestion): string | null {
  const indexed = exact || (range !== undefined && !('edges' in range))
  if (!indexed || declaredValues === null || declaredValues >= TINY_DOMAIN) return null
  return (
    `an index on an enum of ${declaredValues} values tells most of them by how often each occurs;` +
    ' declare no index and filter after opening'
  )
}

function rangeLeakage({ type, range }: LeakageQuestion): string | null {
  if (range === undefined || 'edges' in range) return null
  if ('step' in range) {
    if (range.step > 1) return null
    return 'a range step of 1 or less stores whole numbers in clear; declare a wider step'
  }
  if ('decimals' in range) {
    if (range.decimals <= 2) return null
    return 'a range of more than 2 decimals stores nearly the whole value in clear; declare fewer'
  }
  if ('prefix' in range) {
    if (range.prefix <= 3) return null
    return 'a prefix over 3 stores most of a short name in clear; declare 3 or fewer'
  }
  if (range.truncate === 'hour') {
    return "truncate: 'hour' lets each row be matched with other logs; declare 'day' or coarser"
  }
  if (range.truncate !== 'day' || type !== 'date') return null
  return "truncate: 'day' stores the whole date in clear; declare 'month' or 'year'"
}
