import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { MAX_CIPHERTEXT_BYTES } from './format'
import { TYPE_BYTES, type ValueType } from './value-type'

/** Part of stored format 1: the bytes of a compressed field begin with one of these. */
const STORED = 0
const DEFLATED = 1

/** Shorter values gain nothing worth the work. May change: a reader takes any length. */
const MIN_DEFLATED_BYTES = 256

/**
 * The form of a string or JSON value in a compressed field: T of type bytes, which is a method byte
 * and the value's UTF-8, as raw deflate (RFC 1951) where that is shorter.
 *
 * Deflating takes about 16 ms of the event loop per megabyte.
 *
 * @param encoded - T of the value
 * @see docs/format.md "Compressed fields"
 */
export function compress(encoded: Uint8Array): Buffer {
  const value = encoded.subarray(1)
  const deflated = value.length < MIN_DEFLATED_BYTES ? value : deflateRawSync(value)
  const shorter = deflated.length < value.length
  const head = Buffer.of(TYPE_BYTES.bytes, shorter ? DEFLATED : STORED)
  return Buffer.concat([head, shorter ? deflated : value])
}

/**
 * Inverse of {@link compress}. Takes T of the value's own type as well: a field may begin to compress.
 *
 * @param stored - what was sealed, after its padding
 * @returns T of the value; null for an unknown method, for data that is not one whole deflate stream
 *   and nothing else, and for a value over 64 MiB, of which no more than that is held in memory
 */
export function decompress(type: ValueType, stored: Uint8Array): Uint8Array | null {
  if (stored[0] === TYPE_BYTES[type]) return stored
  if (stored[0] !== TYPE_BYTES.bytes) return null
  const data = stored.subarray(2)
  const value = stored[1] === STORED ? data : stored[1] === DEFLATED ? inflate(data) : null
  return value && Buffer.concat([Buffer.of(TYPE_BYTES[type]), value])
}

/** Node ignores what follows the end of a stream; the number of bytes it read tells. */
function inflate(data: Uint8Array): Buffer | null {
  try {
    const options = { maxOutputLength: MAX_CIPHERTEXT_BYTES, info: true }
    const { buffer, engine } = inflateRawSync(data, options) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    return engine.bytesWritten === data.length ? buffer : null
  } catch {
    return null
  }
}
