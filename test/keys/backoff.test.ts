import { afterEach, describe, expect, it, vi } from 'vitest'
import { backoffMs, RetryBudget } from '../../src/keys/backoff'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('backoffMs', () => {
  it('is bounded by 50 ms, doubled each time, up to 2 s', () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const bounds = [1, 2, 3, 4, 5, 6, 7, 8, 60].map(backoffMs)
    expect(bounds).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000, 2000])
  })

  it('uses the whole range below its bound', () => {
    vi.spyOn(Math, 'random').mockReturnValueOnce(0).mockReturnValueOnce(0.5)
    expect([backoffMs(7), backoffMs(7)]).toEqual([0, 1000])
  })
})

describe('RetryBudget', () => {
  const spendAll = (budget: RetryBudget): number => {
    let spent = 0
    while (budget.spend()) spent++
    return spent
  }

  it('has 20 retries at start, and earns one with every ten calls', () => {
    vi.useFakeTimers()
    const budget = new RetryBudget()
    expect(spendAll(budget)).toBe(20)
    for (let i = 0; i < 105; i++) budget.earn()
    expect(spendAll(budget)).toBe(10)
  })

  it('earns one a second, and never has more than at start', () => {
    vi.useFakeTimers()
    const budget = new RetryBudget()
    spendAll(budget)
    vi.advanceTimersByTime(3_000)
    expect(spendAll(budget)).toBe(3)
    vi.advanceTimersByTime(3_600_000)
    expect(spendAll(budget)).toBe(20)
  })
})
