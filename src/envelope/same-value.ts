import { types } from 'node:util'
import { asBuffer } from '../bytes'
import type { ValueType } from './value-type'

/**
 * Tells whether two values of one field are the same stored value: the question of change detection.
 *
 * -0 differs from 0, Dates are compared by time, bytes by content, JSON by its text (so the order of
 * properties counts). Values that do not fit the type are the same only if they are identical. Never
 * throws.
 */
export function sameValue(type: ValueType, a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (a === null || b === null || a === undefined || b === undefined) return false
  if (types.isDate(a) && types.isDate(b) && type === 'timestamp') {
    return a.getTime() === b.getTime()
  }
  if (types.isUint8Array(a) && types.isUint8Array(b) && type === 'bytes') {
    return asBuffer(a).equals(b)
  }
  return type === 'json' && sameJson(a, b)
}

function sameJson(a: unknown, b: unknown): boolean {
  try {
    const text = JSON.stringify(a)
    return text !== undefined && text === JSON.stringify(b)
  } catch {
    return false
  }
}
