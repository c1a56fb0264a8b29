import { sha256 } from '../crypto/hash'

/**
 * SHA-256 in hex over values in a fixed order, as JSON: arrays, because stores of JSON may reorder
 * the members of objects.
 */
export function checksumOf(values: readonly unknown[]): string {
  return sha256(Buffer.from(JSON.stringify(values))).toString('hex')
}
