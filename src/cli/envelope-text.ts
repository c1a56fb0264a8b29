import { decodeBase64Url } from '../bytes'
import { UsageError } from './usage-error'

/** Every envelope in bytes begins with 0xE1, which is no character of any text form. */
const FIRST_BYTE = 0xe0

/**
 * Finds out how an envelope is written. Hex, base64 and base64url cannot be confused: the first byte
 * of an envelope makes base64 begin with `4`, followed by a letter that is no hex digit.
 *
 * @returns what `inspectEnvelope` takes: bytes, or the text form
 * @throws UsageError for what is written in none of these ways
 */
export function envelopeFrom(bytes: Buffer): Uint8Array | string {
  if (((bytes[0] ?? 0) & 0xf0) === FIRST_BYTE) return bytes
  const text = bytes.toString('latin1').trim()
  if (/^mrt[0-9]+\./.test(text)) return text
  const hex = /^(?:\\\\?x|0x)?((?:[0-9a-f]{2})+)$/i.exec(text)?.[1]
  if (hex !== undefined) return Buffer.from(hex, 'hex')
  const decoded = decodeBase64Url(
    text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '').replaceAll(/\s/g, ''),
  )
  if (text !== '' && decoded !== null) return decoded
  throw new UsageError(
    'this is neither mrt1.…, hex, base64 nor base64url, nor the bytes of an envelope',
  )
}
