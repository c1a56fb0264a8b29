/** Runs work at once, or as soon as a place is free, in the order of the calls. */
export type ConcurrencyLimit = <T>(work: () => Promise<T>) => Promise<T>

/** At most `places` pieces of work at a time; the others wait without a deadline of their own. */
export function concurrencyLimit(places: number): ConcurrencyLimit {
  const waiting: (() => void)[] = []
  let free = places
  const release = (): void => {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      release()
    }
  }
}
