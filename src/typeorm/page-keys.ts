import { type Alias, type ColumnMetadata, internalsOf } from './internals'
import { type Plan, planField } from './plan'
import { refuseQuery } from './predicate'

/** Digits of a second that a `Date` has, which is what the driver makes of a timestamp. */
const DATE_PRECISION = 3

/**
 * Refuses a page whose rows could not be found again by their primary keys: its keys are read first, and
 * then the rows that have them.
 *
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function checkPageKeys(builder: object, plan: Plan): void {
  const { metadata } = internalsOf(builder).expressionMap.mainAlias as Alias
  const { name, primaryColumns } = metadata
  const lossy = primaryColumns.find(losesDigits)
  if (primaryColumns.length > 0 && !lossy) return
  throw refuseQuery(
    planField(plan),
    lossy
      ? `a page of it is found by primary keys, and ${name}.${lossy.propertyPath} may have more digits ` +
          `than a Date: declare it with precision: ${DATE_PRECISION}, and migrate`
      : `a page of it is found by primary keys, and ${name} has none: declare @PrimaryColumn in it, or ` +
          'ask for all rows',
  )
}

function losesDigits({ type, precision }: ColumnMetadata): boolean {
  return /^timestamp/.test(String(type)) && (precision ?? 6) > DATE_PRECISION
}
