import { declarationError } from '../blind-index/declaration-error'
import {
  type CustomNormalizer,
  type Normalizer,
  type NormalizerName,
  resolveNormalizer,
} from '../blind-index/normalize'
import { checkBits, FULL_BITS } from '../blind-index/token'
import { checkIdentifier } from '../bytes'
import type { ValueType } from '../envelope/value-type'

/** How a field is found by equality. */
export interface ExactOptions {
  /**
   * What counts as equal, for strings. Lookups, `unique` and joins then mean equality of normalised
   * values, as `citext` does it; the stored value keeps its spelling.
   */
  readonly normalize?: NormalizerName | CustomNormalizer | undefined
  /** A unique SQL index on the tokens; needs untruncated ones. */
  readonly unique?: boolean | undefined
  /**
   * Token length, 8 to 128. Fewer bits put several values behind one token: rows are filtered after
   * opening, and `Not` and `unique` are gone.
   *
   * @defaultValue 128
   */
  readonly bits?: number | undefined
  /** Fields of one group have comparable tokens; otherwise every field has its own key. */
  readonly group?: string | undefined
}

/** A checked exact index. */
export interface ExactIndex {
  readonly normalizer: Normalizer
  readonly bits: number
  readonly group: string | null
  readonly unique: boolean
}

const OPTIONS: readonly string[] = ['normalize', 'unique', 'bits', 'group']
const MAX_GROUP_LENGTH = 255

/**
 * Checks the declaration of an exact index.
 *
 * An option that does not exist is refused: a misspelt `normalise` would give other tokens.
 *
 * @param name - `Entity.property`, for errors
 * @returns null where none is declared
 * @throws ERR_FIELD_INVALID naming the option and the fix
 */
export function createExactIndex(
  type: ValueType,
  declared: boolean | ExactOptions | undefined,
  name: string,
): ExactIndex | null {
  if (declared === undefined || declared === false) return null
  if (type === 'json') {
    throw declarationError(name, 'json has no exact index; index a property of its own')
  }
  const options = declared === true ? {} : checkOptions(declared, name)
  if (options.normalize !== undefined && type !== 'string') {
    throw declarationError(name, `normalize is for strings; leave it out for a ${type}`)
  }
  const bits = checkBits(options.bits, name)
  return {
    normalizer: resolveNormalizer(options.normalize, name),
    bits,
    group: checkGroup(options.group, name),
    unique: checkUnique(options.unique, bits, name),
  }
}

function checkOptions(declared: unknown, name: string): ExactOptions {
  if (typeof declared !== 'object' || declared === null) {
    throw declarationError(name, 'exact takes true or an object of options')
  }
  const unknown = Object.keys(declared).find((option) => !OPTIONS.includes(option))
  if (unknown === undefined) return declared
  throw declarationError(name, `exact has no option '${unknown}'; it has ${OPTIONS.join(', ')}`)
}

function checkGroup(group: string | undefined, name: string): string | null {
  if (group === undefined) return null
  return checkIdentifier(String(group), `the group of ${name}`, MAX_GROUP_LENGTH)
}

function checkUnique(unique: boolean | undefined, bits: number, name: string): boolean {
  if (unique !== undefined && typeof unique !== 'boolean') {
    throw declarationError(name, 'exact.unique must be true or false')
  }
  if (unique && bits < FULL_BITS) {
    throw declarationError(
      name,
      `unique needs untruncated tokens: with ${bits} bits two different values can share one;` +
        ' leave out bits or unique',
    )
  }
  return unique ?? false
}
