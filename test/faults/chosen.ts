import { randomInt } from 'node:crypto'
import { Random } from '../integration/differential/random'

/** Whether everything is tried, and not a sample. */
export const IS_SLOW = process.env.SLOW === '1'
/**
 * What chance decides in the tests of crashes. The same in every run, so that one that fails tells of
 * the change that it was run for; with SLOW=1 another each time, and `SEED` repeats it.
 */
export const SEED = Number(process.env.SEED ?? (IS_SLOW ? randomInt(2 ** 31) : 1))

/** So many of them, in their order; with SLOW=1 all. */
export function chosenFrom<T>(all: readonly T[], count: number): readonly T[] {
  if (IS_SLOW) return all
  const random = new Random(SEED)
  const places = new Set<number>()
  while (places.size < Math.min(count, all.length)) places.add(random.between(0, all.length - 1))
  return all.filter((_, i) => places.has(i))
}
