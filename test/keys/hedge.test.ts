import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hedge } from '../../src/keys/hedge'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A task that settles when told to. */
function task() {
  let resolve = (_value: string) => {}
  let reject = (_error: unknown) => {}
  let signal: AbortSignal | undefined
  const run = vi.fn((given: AbortSignal) => {
    signal = given
    return new Promise<string>((yes, no) => {
      resolve = yes
      reject = no
    })
  })
  return {
    run,
    resolve: (value: string) => resolve(value),
    reject: (error: unknown) => reject(error),
    aborted: () => signal?.aborted,
  }
}

function start(count: number, isFinal = (error: unknown) => error === 'final') {
  const tasks = Array.from({ length: count }, task)
  const hedged: number[] = []
  const onHedge = (index: number): unknown => hedged.push(index)
  const runs = tasks.map(({ run }) => run)
  const outcome = hedge(runs, { delayMs: 250, isFinal, onHedge })
  outcome.catch(() => {})
  const started = () => runs.map((run) => run.mock.calls.length)
  return { tasks, hedged, outcome, started }
}

describe('hedge', () => {
  it('runs the first task alone while it answers in time', async () => {
    const { tasks, outcome, started, hedged } = start(2)
    await vi.advanceTimersByTimeAsync(249)
    tasks[0]?.resolve('first')
    expect(await outcome).toEqual({ value: 'first' })
    expect([started(), hedged]).toEqual([[1, 0], []])
  })

  it('starts one more each time that nobody answers; the first success aborts the others', async () => {
    const { tasks, outcome, started, hedged } = start(3)
    await vi.advanceTimersByTimeAsync(250)
    expect(started()).toEqual([1, 1, 0])
    await vi.advanceTimersByTimeAsync(250)
    expect([started(), hedged]).toEqual([
      [1, 1, 1],
      [1, 2],
    ])
    tasks[1]?.resolve('second')
    expect(await outcome).toEqual({ value: 'second' })
    await vi.advanceTimersByTimeAsync(0)
    expect([tasks[0]?.aborted(), tasks[2]?.aborted()]).toEqual([true, true])
  })

  it('starts the next at once when one fails, which is no hedge', async () => {
    const { tasks, outcome, started, hedged } = start(2)
    tasks[0]?.reject('no')
    await vi.advanceTimersByTimeAsync(0)
    expect([started(), hedged]).toEqual([[1, 1], []])
    tasks[1]?.resolve('second')
    expect(await outcome).toEqual({ value: 'second' })
  })

  it('lists all errors in the order of the tasks once none is left', async () => {
    const { tasks, outcome } = start(2)
    await vi.advanceTimersByTimeAsync(250)
    tasks[1]?.reject('b')
    await vi.advanceTimersByTimeAsync(1_000)
    tasks[0]?.reject('a')
    expect(await outcome).toEqual({ errors: ['a', 'b'] })
  })

  it('ends with a final error, whatever the others are about to say', async () => {
    const { tasks, outcome } = start(2)
    await vi.advanceTimersByTimeAsync(250)
    tasks[1]?.reject('final')
    await expect(outcome).rejects.toBe('final')
    await vi.advanceTimersByTimeAsync(0)
    expect(tasks[0]?.aborted()).toBe(true)
  })

  it('has no errors where there are no tasks', async () => {
    expect(await start(0).outcome).toEqual({ errors: [] })
  })
})
