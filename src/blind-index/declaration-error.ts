import { MortiseError } from '../errors'

/**
 * ERR_FIELD_INVALID: a declaration that cannot be built, found when it is read and never per row.
 *
 * @param field - `Entity.property`
 * @param problem - what is wrong and what to write instead; option values may be shown, data never
 */
export function declarationError(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_FIELD_INVALID', `${field}: ${problem}`, { field })
}
