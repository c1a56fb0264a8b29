import { randomFillSync } from 'node:crypto'

/**
 * Size of the pool that DEKs are drawn from. A call to the generator costs 1.5 µs whatever its
 * length, so 128 keys are drawn at once; no more, because a heap dump shows keys not yet used.
 */
const POOL_BYTES = 4096
const MAX_REQUEST_BYTES = 64
/** A pool that nobody draws from is dropped, so that an idle process holds no future keys. */
const POOL_LIFETIME_MS = 1000

let pool: Buffer | undefined
let used = 0

/**
 * Cryptographically strong bytes from OpenSSL's generator. What was handed out is zeroed in the pool.
 *
 * @param size - 1 to 64 bytes
 * @throws RangeError for any other size: beyond the pool the rest would not be random
 */
export function randomBytes(size: number): Buffer {
  if (!Number.isInteger(size) || size < 1 || size > MAX_REQUEST_BYTES) {
    throw new RangeError(`random bytes are drawn 1 to ${MAX_REQUEST_BYTES} at a time`)
  }
  const bytes = Buffer.allocUnsafeSlow(size)
  draw(bytes)
  return bytes
}

/**
 * Fills memory of the caller from OpenSSL's generator, as {@link randomBytes} does: the key of one record,
 * or those of many at once.
 *
 * @param memory - all of it; a view of part of an ArrayBuffer is filled, not what is around it
 */
export function fillRandom(memory: Buffer): void {
  if (memory.length <= MAX_REQUEST_BYTES) draw(memory)
  else randomFillSync(memory)
}

/** @param into - no longer than the pool */
function draw(into: Buffer): void {
  const source = pool !== undefined && used + into.length <= POOL_BYTES ? pool : refill()
  const end = used + into.length
  source.copy(into, 0, used, end)
  source.fill(0, used, end)
  used = end
}

function refill(): Buffer {
  if (pool === undefined) setTimeout(drop, POOL_LIFETIME_MS).unref()
  pool = randomFillSync(pool ?? Buffer.allocUnsafeSlow(POOL_BYTES))
  used = 0
  return pool
}

function drop(): void {
  pool?.fill(0)
  pool = undefined
}
