import type { EntityMetadata, ObjectLiteral } from 'typeorm'
import { MortiseError } from '../errors'
import { encryptedColumnsOf } from './encrypted-column'
import { Placeholder, type WriteRecord } from './placeholder'

/**
 * Binds a value that a statement writes to its record. Placeholders outside a record write belong to
 * conditions and are left to those who made them.
 */
export function bindParameter(value: unknown, record: WriteRecord | undefined): unknown {
  if (!record || !(value instanceof Placeholder)) return value
  return value.use === 'bucket' ? value.bucket() : value.bind(record)
}

/**
 * Refuses values that would reach an encrypted column as SQL text, or write an index column by hand.
 *
 * @param values - one value set of an INSERT or UPDATE
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function checkValueSet(metadata: EntityMetadata, values: ObjectLiteral): void {
  for (const { field, main, hmac, lofi } of encryptedColumnsOf(metadata)) {
    if (typeof main.getEntityValue(values) === 'function') {
      throw refusal(field.name, 'SQL expressions cannot be encrypted; load the row and save it')
    }
    for (const hidden of [hmac, lofi]) {
      if (hidden && holdsPath(values, hidden.propertyPath)) {
        throw refusal(field.name, `${hidden.propertyName} is maintained by mortise; leave it out`)
      }
    }
  }
}

function refusal(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_QUERY_UNSUPPORTED', `${field}: ${problem}`, { field })
}

/** The hidden column's own accessor follows the main property: the caller's object is asked. */
function holdsPath(values: ObjectLiteral, path: string): boolean {
  let current: unknown = values
  for (const name of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name))
      return false
    current = (current as ObjectLiteral)[name]
  }
  return true
}
