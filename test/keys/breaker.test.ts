import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Breaker, type Verdict } from '../../src/keys/breaker'

describe('Breaker', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function make() {
    const states: string[] = []
    const breaker = new Breaker((state) => states.push(state))
    const call = (verdict: Verdict): void => {
      const permit = breaker.admit()
      if (permit === null) throw new Error('not admitted')
      breaker.settle(permit, verdict)
    }
    const fail = (times: number): void => {
      for (let i = 0; i < times; i++) call('failed')
    }
    return { breaker, states, call, fail }
  }

  it('opens after five failures in a row, for five seconds', () => {
    const { breaker, states, fail } = make()
    fail(4)
    expect([breaker.state, breaker.waitMs]).toEqual(['closed', 0])
    fail(1)
    expect([breaker.state, breaker.waitMs]).toEqual(['open', 5_000])
    vi.advanceTimersByTime(4_999)
    expect(breaker.admit()).toBeNull()
    vi.advanceTimersByTime(1)
    expect(breaker.admit()).toBe('probe')
    expect(states).toEqual(['open', 'half-open'])
  })

  it('does not open by failures that are not in a row, or more than ten seconds apart', () => {
    const { breaker, call, fail } = make()
    fail(4)
    call('answered')
    fail(4)
    vi.advanceTimersByTime(10_000)
    fail(4)
    expect(breaker.state).toBe('closed')
    fail(1)
    expect(breaker.state).toBe('open')
  })

  it('lets one call through when the time is over, and closes when that is answered', () => {
    const { breaker, states, fail, call } = make()
    fail(5)
    vi.advanceTimersByTime(5_000)
    expect(breaker.admit()).toBe('probe')
    expect([breaker.admit(), breaker.state, breaker.waitMs]).toEqual([null, 'half-open', 0])
    breaker.settle('probe', 'answered')
    expect(breaker.state).toBe('closed')
    expect(states).toEqual(['open', 'half-open', 'closed'])
    for (let i = 0; i < 3; i++) call('answered')
    fail(4)
    expect(breaker.state).toBe('closed')
  })

  it('opens again when that one fails, and tries anew when it was given up', () => {
    const { breaker, fail } = make()
    fail(5)
    vi.advanceTimersByTime(5_000)
    breaker.settle(breaker.admit() ?? 'call', 'failed')
    expect([breaker.state, breaker.waitMs]).toEqual(['open', 5_000])
    vi.advanceTimersByTime(5_000)
    breaker.settle(breaker.admit() ?? 'call', 'none')
    expect(breaker.state).toBe('open')
    expect(breaker.admit()).toBe('probe')
  })

  it('hears of calls that were under way when it opened', () => {
    const { breaker, fail } = make()
    fail(5)
    vi.advanceTimersByTime(1_000)
    breaker.settle('call', 'failed')
    expect(breaker.waitMs).toBe(4_000)
    breaker.settle('call', 'none')
    expect(breaker.state).toBe('open')
    breaker.settle('call', 'answered')
    expect(breaker.state).toBe('closed')
  })
})
