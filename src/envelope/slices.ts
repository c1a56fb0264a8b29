import { setImmediate } from 'node:timers/promises'

/** Work of one slice, in milliseconds: half of what a user of the same event loop may notice. */
const SLICE_MS = 5
/** As many as libuv's pool has threads where nothing else is said. */
const LANES = 4

/**
 * Does synchronous work on each of many things without holding the event loop for longer than some
 * milliseconds. Does not wait at all where all of it is done before.
 */
export async function inSlices<T>(things: readonly T[], work: (thing: T) => void): Promise<void> {
  let begunAt = performance.now()
  for (const thing of things) {
    work(thing)
    if (performance.now() - begunAt < SLICE_MS) continue
    await setImmediate()
    begunAt = performance.now()
  }
}

/**
 * Starts work on each of many things in their order, on a few at a time.
 *
 * @throws what `work` throws
 */
export async function inLanes<T>(
  things: readonly T[],
  work: (thing: T) => Promise<void>,
): Promise<void> {
  if (things.length === 1) return work(things[0] as T)
  const rest = things.values()
  const lane = async (): Promise<void> => {
    for (const thing of rest) await work(thing)
  }
  await Promise.all(Array.from({ length: Math.min(LANES, things.length) }, lane))
}
