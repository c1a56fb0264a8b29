import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type AttemptLimits, attempt, pause } from '../../src/keys/attempt'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const limits = (changes: Partial<AttemptLimits> = {}): AttemptLimits => ({
  timeoutMs: 100,
  timedOut: () => new Error('timed out'),
  signals: [],
  onLate: () => {},
  ...changes,
})

describe('attempt', () => {
  it('gives what the work gives, or throws what it throws, also at once', async () => {
    expect(await attempt(async () => 7, limits())).toBe(7)
    const failing = attempt(() => Promise.reject(new Error('no')), limits())
    await expect(failing).rejects.toThrow('no')
    const throwing = attempt(() => {
      throw new Error('at once')
    }, limits())
    await expect(throwing).rejects.toThrow('at once')
  })

  it('ends after its time, aborts the work, and zeroes a key that comes later', async () => {
    const key = Buffer.alloc(32, 7)
    let seen: AbortSignal | undefined
    const running = attempt((signal) => {
      seen = signal
      return new Promise<Uint8Array>((resolve) => setTimeout(() => resolve(key), 150))
    }, limits())
    const ended = expect(running).rejects.toThrow('timed out')
    await vi.advanceTimersByTimeAsync(100)
    await ended
    expect(seen?.aborted).toBe(true)
    expect(key[0]).toBe(7)
    await vi.advanceTimersByTimeAsync(50)
    expect(key.every((byte) => byte === 0)).toBe(true)
  })

  it('leaves a key alone that came in time', async () => {
    const key = Buffer.alloc(32, 7)
    await attempt(async () => key, limits())
    await vi.advanceTimersByTimeAsync(200)
    expect(key[0]).toBe(7)
  })

  it('ends with the reason of a signal, before or during the work', async () => {
    const [before, during] = [new AbortController(), new AbortController()]
    before.abort(new Error('before'))
    const work = vi.fn(() => new Promise(() => {}))
    await expect(attempt(work, limits({ signals: [before.signal] }))).rejects.toThrow('before')
    expect(work).not.toHaveBeenCalled()
    const running = attempt(
      work,
      limits({ signals: [new AbortController().signal, during.signal] }),
    )
    during.abort(new Error('during'))
    await expect(running).rejects.toThrow('during')
  })

  it('tells what the work rejected with afterwards, and only then', async () => {
    const late: unknown[] = []
    const onLate = (error: unknown): unknown => late.push(error)
    await attempt(() => Promise.reject('in time'), limits({ onLate })).catch(() => {})
    expect(late).toEqual([])
    const rejectLater = () =>
      new Promise((_resolve, reject) => setTimeout(() => reject('late'), 150))
    const running = attempt(rejectLater, limits({ onLate })).catch(() => {})
    await vi.advanceTimersByTimeAsync(150)
    await running
    expect(late).toEqual(['late'])
  })
})

describe('pause', () => {
  it('waits, or ends with the reason of a signal', async () => {
    const controller = new AbortController()
    let done = false
    const waiting = pause(100, [controller.signal]).then(() => {
      done = true
    })
    await vi.advanceTimersByTimeAsync(99)
    expect(done).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await waiting
    const ended = pause(100, [controller.signal])
    controller.abort(new Error('closed'))
    await expect(ended).rejects.toThrow('closed')
    await expect(pause(100, [controller.signal])).rejects.toThrow('closed')
  })
})
