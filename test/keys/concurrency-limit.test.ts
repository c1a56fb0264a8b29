import { describe, expect, it } from 'vitest'
import { concurrencyLimit } from '../../src/keys/concurrency-limit'

/** Work that ends when it is told to, with a count of what runs at the same time. */
function gatedWork() {
  const gates: (() => void)[] = []
  const seen = { running: 0, most: 0, started: [] as number[] }
  const work = (id: number) => async () => {
    seen.started.push(id)
    seen.running++
    seen.most = Math.max(seen.most, seen.running)
    await new Promise<void>((resolve) => gates.push(resolve))
    seen.running--
    return id
  }
  return { gates, seen, work }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

describe('concurrencyLimit', () => {
  it('runs as many as there are places, the others in the order of their calls', async () => {
    const { gates, seen, work } = gatedWork()
    const limit = concurrencyLimit(3)
    const results = Promise.all([1, 2, 3, 4, 5, 6, 7].map((id) => limit(work(id))))
    await turns()
    expect(seen.started).toEqual([1, 2, 3])
    while (gates.length > 0) {
      gates.shift()?.()
      await turns()
    }
    expect(await results).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(seen).toMatchObject({ most: 3, running: 0, started: [1, 2, 3, 4, 5, 6, 7] })
  })

  it('frees the place of work that failed, also where it threw at once', async () => {
    const limit = concurrencyLimit(1)
    const failing = limit(() => Promise.reject(new Error('no')))
    const throwing = limit(() => {
      throw new Error('at once')
    })
    const fine = limit(async () => 'yes')
    await expect(failing).rejects.toThrow('no')
    await expect(throwing).rejects.toThrow('at once')
    expect(await fine).toBe('yes')
    expect(await limit(async () => 'again')).toBe('again')
  })

  it('gives no place away twice where one comes free while others wait', async () => {
    const { gates, seen, work } = gatedWork()
    const limit = concurrencyLimit(2)
    const results: Promise<number>[] = [limit(work(1)), limit(work(2)), limit(work(3))]
    await turns()
    gates.shift()?.()
    results.push(limit(work(4)))
    await turns()
    expect(seen.running).toBe(2)
    while (gates.length > 0) {
      gates.shift()?.()
      await turns()
    }
    expect(await Promise.all(results)).toEqual([1, 2, 3, 4])
    expect(seen.most).toBe(2)
  })
})
