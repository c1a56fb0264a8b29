import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const fills = vi.hoisted(() => [] as Buffer[])

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>()
  const randomFillSync = (bytes: Buffer) => {
    fills.push(bytes)
    return real.randomFillSync(bytes)
  }
  return { ...real, randomFillSync }
})

beforeEach(() => {
  vi.useFakeTimers()
  vi.resetModules()
  fills.length = 0
})
afterEach(() => {
  vi.useRealTimers()
})

const loadModule = () => import('../../src/crypto/random.js')
const load = async () => (await loadModule()).randomBytes

describe('the pool of random bytes', () => {
  test('is filled at first use, once for 128 keys', async () => {
    const randomBytes = await load()
    expect(fills).toHaveLength(0)
    const keys = Array.from({ length: 128 }, () => randomBytes(32).toString('hex'))
    expect(fills).toHaveLength(1)
    expect(new Set(keys).size).toBe(128)
    randomBytes(32)
    expect(fills).toHaveLength(2)
  })

  test('forgets what it handed out, and hands out memory of its own', async () => {
    const randomBytes = await load()
    const bytes = randomBytes(32)
    const pool = fills[0]!
    expect(bytes).not.toEqual(Buffer.alloc(32))
    expect(pool.subarray(0, 32)).toEqual(Buffer.alloc(32))
    expect(bytes.buffer).not.toBe(pool.buffer)
    bytes.fill(0)
    expect(pool.subarray(32, 64)).not.toEqual(Buffer.alloc(32))
  })

  test('is zeroed and dropped after one second', async () => {
    const randomBytes = await load()
    randomBytes(8)
    const pool = fills[0]!
    vi.advanceTimersByTime(999)
    expect(pool).not.toEqual(Buffer.alloc(pool.length))
    vi.advanceTimersByTime(1)
    expect(pool).toEqual(Buffer.alloc(pool.length))
    randomBytes(8)
    expect(fills).toHaveLength(2)
    expect(fills[1]).not.toBe(pool)
  })

  test('never hands out the same bytes where sizes do not divide it', async () => {
    const randomBytes = await load()
    const drawn = Array.from({ length: 2000 }, (_, index) => randomBytes(12 + (index % 50)))
    expect(new Set(drawn.map((bytes) => bytes.toString('hex'))).size).toBe(2000)
    expect(drawn.every((bytes, index) => bytes.length === 12 + (index % 50))).toBe(true)
  })

  test.each([0, -1, 65, 5000, 1.5, Number.NaN])('refuses a size of %d', async (size) => {
    const randomBytes = await load()
    expect(() => randomBytes(size)).toThrow(RangeError)
  })
})

describe('memory that is filled', () => {
  test('takes the key of one record from the pool, where it is forgotten', async () => {
    const { fillRandom, randomBytes } = await loadModule()
    const page = Buffer.alloc(96)
    const deks = [page.subarray(0, 32), page.subarray(32)]
    for (const dek of deks) fillRandom(dek)
    expect(fills).toHaveLength(1)
    expect(fills[0]!.subarray(0, 96)).toEqual(Buffer.alloc(96))
    const all = [deks[0]!, page.subarray(32, 64), page.subarray(64), randomBytes(32)]
    expect(new Set(all.map((dek) => dek.toString('hex'))).size).toBe(4)
    expect(all.every((dek) => !dek.equals(Buffer.alloc(32)))).toBe(true)
  })

  test('takes those of many from the generator at once', async () => {
    const { fillRandom } = await loadModule()
    const deks = Buffer.alloc(8192)
    fillRandom(deks)
    expect(fills).toEqual([deks])
    expect(deks.subarray(8160)).not.toEqual(Buffer.alloc(32))
  })
})
