import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { randomBytes } from '../../src/crypto/random'
import { secretKey } from '../../src/crypto/secret-key'
import { DekCache } from '../../src/keys/dek-cache'

const LIMITS = { ttlMs: 1000, maxUses: 100, maxCached: 100 }
const someDek = () => secretKey(randomBytes(32))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('DekCache', () => {
  it('names a DEK by its key and all of its blob', () => {
    const names = [
      DekCache.nameOf('00', Buffer.from('a')),
      DekCache.nameOf('01', Buffer.from('a')),
      DekCache.nameOf('00', Buffer.from('b')),
      DekCache.nameOf('00', Buffer.alloc(1024)),
    ]
    expect(new Set(names).size).toBe(4)
    for (const name of names) expect(name).toHaveLength(2 + 32)
  })

  it('gives a DEK until its time is over, counted from when it was unwrapped', () => {
    const cache = new DekCache(LIMITS)
    const dek = someDek()
    cache.put('a', 'k', dek)
    vi.advanceTimersByTime(999)
    expect(cache.take('a')).toBe(dek)
    vi.advanceTimersByTime(1)
    expect(cache.take('a')).toBeUndefined()
  })

  it('gives a DEK as often as allowed, the unwrap itself counted', () => {
    const cache = new DekCache({ ...LIMITS, maxUses: 3 })
    cache.put('a', 'k', someDek())
    expect(cache.take('a')).toBeDefined()
    expect(cache.take('a')).toBeDefined()
    expect(cache.take('a')).toBeUndefined()
  })

  it('keeps nothing with a limit of one use, no time or no place', () => {
    for (const limit of [{ maxUses: 1 }, { ttlMs: 0 }, { maxCached: 0 }]) {
      const cache = new DekCache({ ...LIMITS, ...limit })
      cache.put('a', 'k', someDek())
      expect(cache.take('a')).toBeUndefined()
    }
    expect(vi.getTimerCount()).toBe(0)
  })

  it('makes room by forgetting the oldest', () => {
    const cache = new DekCache({ ...LIMITS, maxCached: 2 })
    for (const name of ['a', 'b', 'a', 'c']) cache.put(name, 'k', someDek())
    expect(['a', 'b', 'c'].map((name) => cache.take(name) !== undefined)).toEqual([
      true,
      false,
      true,
    ])
  })

  it('forgets the DEKs of keys that are not wanted', () => {
    const cache = new DekCache(LIMITS)
    cache.put('a', 'k', someDek())
    cache.put('b', 'l', someDek())
    cache.retain((id) => id === 'l')
    expect(cache.take('a')).toBeUndefined()
    expect(cache.take('b')).toBeDefined()
  })

  it('forgets without being asked: an idle process holds no expired DEK', () => {
    const cache = new DekCache(LIMITS)
    const clear = vi.spyOn(Map.prototype, 'delete')
    cache.put('a', 'k', someDek())
    vi.advanceTimersByTime(600)
    cache.put('b', 'k', someDek())
    clear.mockClear()
    vi.advanceTimersByTime(400)
    expect(clear.mock.calls).toEqual([['a']])
    vi.advanceTimersByTime(600)
    expect(clear.mock.calls).toEqual([['a'], ['b']])
    clear.mockRestore()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps nothing once it is discarded, and no timer', () => {
    const cache = new DekCache(LIMITS)
    cache.put('a', 'k', someDek())
    cache.discard()
    expect(cache.take('a')).toBeUndefined()
    cache.put('b', 'k', someDek())
    expect(cache.take('b')).toBeUndefined()
    expect(vi.getTimerCount()).toBe(0)
  })
})
