import { randomBytes } from '../crypto/random'

/** What one call of the generator gives at most. */
const PIECE_BYTES = 64

/** Random bytes of any length. */
export function randomBlob(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let offset = 0; offset < size; offset += PIECE_BYTES) {
    randomBytes(Math.min(PIECE_BYTES, size - offset)).copy(bytes, offset)
  }
  return bytes
}

/** Random bytes as lower-case hex digits, two for each byte. */
export function randomHex(bytes: number): string {
  return randomBlob(bytes).toString('hex')
}

/** A version 4 UUID (RFC 9562 section 5.4). */
export function randomUuid(): string {
  const bytes = randomBlob(16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
