import { setMaxListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MortiseError, type ProviderFailure } from '../../src/errors'
import type { KeyEvent } from '../../src/keys/events'
import { ProviderCalls } from '../../src/keys/provider-calls'
import type { KeyContext } from '../../src/providers/provider'
import { afterTime, rejection } from './fixtures'

const failing = (failure: ProviderFailure) =>
  new MortiseError('ERR_KEY_PROVIDER', `scripted ${failure}`, {
    failure,
    retryable: failure === 'transient',
  })
const context: KeyContext = {
  use: 'kek',
  domain: 'default',
  purpose: 'data',
  id: '00112233445566ff',
  version: 3,
}
const call = { operation: 'unwrap', context } as const

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function make(times = { timeoutMs: 2_000, deadlineMs: 10_000 }) {
  const events: KeyEvent[] = []
  const closing = new AbortController()
  // As the keyring's own.
  setMaxListeners(0, closing.signal)
  const calls = new ProviderCalls(
    { uri: 'in-app:x' },
    { times, emit: (event) => events.push(event), closed: closing.signal },
  )
  return { calls, events, closing }
}

/** Work that fails so many times, and then succeeds. */
function failsFor(times: number, error: unknown = failing('transient')) {
  let left = times
  return vi.fn(async () => {
    if (left-- > 0) throw error
    return 'done'
  })
}

describe('a call', () => {
  it('that succeeds is made once', async () => {
    const { calls, events } = make()
    expect(await calls.run(call, failsFor(0))).toBe('done')
    expect(events).toEqual([
      {
        type: 'provider-call',
        providerUri: 'in-app:x',
        operation: 'unwrap',
        keyId: context.id,
        attempt: 1,
        durationMs: expect.any(Number),
        outcome: 'ok',
      },
    ])
  })

  it.each(['transient', 'session'] as const)(
    'that fails with %s is made again after growing pauses',
    async (failure) => {
      const { calls, events } = make()
      const work = failsFor(4, failing(failure))
      const at: number[] = []
      const begunAt = performance.now()
      const running = calls.run(call, async () => {
        at.push(performance.now() - begunAt)
        return work()
      })
      expect(await afterTime(1_000, running)).toBe('done')
      expect(at).toEqual([0, 25, 75, 175, 375])
      expect(events.map((event) => 'outcome' in event && [event.attempt, event.outcome])).toEqual([
        ...[1, 2, 3, 4].map((attempt) => [attempt, failure]),
        [5, 'ok'],
      ])
    },
  )

  it.each(['state', 'access', 'integrity'] as const)(
    'that fails with %s is made once',
    async (failure) => {
      const { calls } = make()
      const work = failsFor(1, failing(failure))
      await rejection(calls.run(call, work), 'ERR_KEY_PROVIDER')
      expect(work).toHaveBeenCalledTimes(1)
    },
  )

  it('that fails with an error of no class is made once; the error is the cause', async () => {
    const { calls, events } = make()
    const bug = new TypeError('secret text')
    const work = failsFor(9, bug)
    const error = await rejection(calls.run(call, work), 'ERR_KEY_PROVIDER')
    expect(error).toMatchObject({ cause: bug, retryable: false })
    expect(error.message).toMatch(/in-app:x .*unwrap.*00112233445566ff/)
    expect(error.message).not.toContain('secret')
    expect(events).toMatchObject([{ outcome: 'error' }])
  })

  it('of which the provider only says that it may be repeated is repeated', async () => {
    const { calls } = make()
    const vague = new MortiseError('ERR_KEY_PROVIDER', 'busy', { retryable: true })
    expect(await afterTime(100, calls.run(call, failsFor(1, vague)))).toBe('done')
  })

  it('that is not answered is given up after its time, whatever the provider does', async () => {
    const { calls, events } = make({ timeoutMs: 100, deadlineMs: 150 })
    const signals: AbortSignal[] = []
    const running = calls.run(call, (signal) => {
      signals.push(signal)
      return new Promise(() => {})
    })
    const error = await afterTime(150, rejection(running, 'ERR_KEY_PROVIDER'))
    expect(error).toMatchObject({ failure: 'transient', retryable: true })
    expect(error.message).toMatch(/in-app:x did not unwrap key 00112233445566ff .*within/)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(events).toMatchObject([{ outcome: 'transient' }, { outcome: 'transient' }])
  })

  it('is not made again beyond its deadline, and says how long it was tried', async () => {
    const { calls } = make({ timeoutMs: 100, deadlineMs: 200 })
    const work = failsFor(99)
    const error = await afterTime(200, rejection(calls.run(call, work), 'ERR_KEY_PROVIDER'))
    expect(work).toHaveBeenCalledTimes(4)
    expect(error.message).toBe('scripted transient (given up after 175 ms with retries)')
    expect(error).toMatchObject({ failure: 'transient', retryable: true })
  })

  it('ends at once by its signal, without a verdict on the provider', async () => {
    const { calls, events } = make()
    const controller = new AbortController()
    const options = { ...call, signal: controller.signal }
    const running = calls.run(options, () => new Promise(() => {}))
    controller.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    expect(events).toMatchObject([{ outcome: 'abandoned' }])
    const pausing = calls.run({ ...call, signal: new AbortController().signal }, failsFor(1))
    await afterTime(100, pausing)
  })

  it('ends when the keyring is closed, in a pause as well', async () => {
    const { calls, closing } = make()
    const work = failsFor(99)
    const running = calls.run(call, work)
    running.catch(() => {})
    await vi.advanceTimersByTimeAsync(10)
    closing.abort(new MortiseError('ERR_CLOSED', 'closed'))
    await rejection(running, 'ERR_CLOSED')
    await rejection(calls.run(call, work), 'ERR_CLOSED')
    expect(work).toHaveBeenCalledTimes(1)
  })
})

describe('the breaker', () => {
  it('opens after five failures; the call that waits is the one that sees, a new one fails at once', async () => {
    const { calls, events } = make()
    const work = failsFor(5)
    const running = calls.run(call, work)
    await vi.advanceTimersByTimeAsync(1_000)
    expect([work.mock.calls.length, calls.breaker]).toEqual([5, 'open'])
    const other = vi.fn(async () => 'other')
    const error = await rejection(calls.run(call, other), 'ERR_KEY_PROVIDER')
    expect(other).not.toHaveBeenCalled()
    expect(error).toMatchObject({ failure: 'transient', retryable: true })
    expect(error.message).toMatch(/in-app:x .*not asked before \d{4}-.*scripted transient/)
    expect(await afterTime(6_000, running)).toBe('done')
    expect(calls.breaker).toBe('closed')
    const states = events.flatMap((event) =>
      event.type === 'provider-breaker' ? [event.state] : [],
    )
    expect(states).toEqual(['open', 'half-open', 'closed'])
  })

  it('stays open while the provider is down: six calls in ten seconds', async () => {
    const { calls } = make()
    const work = failsFor(99)
    await afterTime(10_000, rejection(calls.run(call, work), 'ERR_KEY_PROVIDER'))
    expect(work).toHaveBeenCalledTimes(6)
  })

  it('lets many waiting calls go on after one was answered', async () => {
    const { calls } = make()
    let down = true
    let made = 0
    const work = async (): Promise<string> => {
      made++
      if (down) throw failing('transient')
      return 'done'
    }
    const running = Promise.all(Array.from({ length: 10 }, () => calls.run(call, work)))
    await vi.advanceTimersByTimeAsync(4_000)
    expect([made, calls.breaker]).toEqual([10, 'open'])
    down = false
    expect(await afterTime(6_000, running)).toEqual(Array(10).fill('done'))
    expect(made).toBe(20)
  })

  it('does not hear of refusals', async () => {
    const { calls } = make()
    for (let i = 0; i < 9; i++) {
      await rejection(calls.run(call, failsFor(1, failing('state'))), 'ERR_KEY_PROVIDER')
    }
    expect(calls.breaker).toBe('closed')
  })
})

describe('retries', () => {
  it('are bounded together, so that an outage does not multiply calls', async () => {
    const { calls } = make()
    let made = 0
    const work = async (): Promise<never> => {
      made++
      throw failing('transient')
    }
    const many = Array.from({ length: 100 }, () => calls.run(call, work))
    await afterTime(10_000, Promise.allSettled(many))
    expect(made).toBeLessThanOrEqual(100 + 20 + 10)
  })
})

describe('denied access', () => {
  it('is not tried again for a minute for that key, and then is', async () => {
    const { calls } = make()
    const work = failsFor(1, failing('access'))
    await rejection(calls.run(call, work), 'ERR_KEY_PROVIDER')
    const again = await rejection(calls.run(call, work), 'ERR_KEY_PROVIDER')
    expect(work).toHaveBeenCalledTimes(1)
    expect(again).toMatchObject({ failure: 'access', retryable: false })
    expect(again.message).toMatch(/scripted access .*in-app:x is not asked again before \d{4}-/)
    vi.advanceTimersByTime(60_000)
    expect(await calls.run(call, work)).toBe('done')
  })

  it('to one operation leaves the others alone', async () => {
    const { calls } = make()
    const wrap = { ...call, operation: 'wrap' } as const
    await rejection(calls.run(wrap, failsFor(1, failing('access'))), 'ERR_KEY_PROVIDER')
    expect(await calls.run(call, failsFor(0))).toBe('done')
  })

  it('to one key leaves the others alone', async () => {
    const { calls } = make()
    await rejection(calls.run(call, failsFor(1, failing('access'))), 'ERR_KEY_PROVIDER')
    const other = { ...call, context: { ...context, id: 'ff'.repeat(8) } }
    expect(await calls.run(other, failsFor(0))).toBe('done')
  })

  it('forgets the oldest news rather than fill memory', async () => {
    const { calls } = make()
    const work = failsFor(1002, failing('access'))
    for (let i = 0; i <= 1000; i++) {
      const id = i.toString(16).padStart(16, '0')
      const one = { ...call, context: { ...context, id } }
      await rejection(calls.run(one, work), 'ERR_KEY_PROVIDER')
    }
    const first = { ...call, context: { ...context, id: '0'.repeat(16) } }
    await rejection(calls.run(first, work), 'ERR_KEY_PROVIDER')
    expect(work).toHaveBeenCalledTimes(1002)
  })
})
