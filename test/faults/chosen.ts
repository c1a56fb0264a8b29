import { randomInt } from 'node:crypto'
import { Random } from '../integration/differential/random'

/** What chance decides in the tests of crashes; `SEED` repeats a run. */
export const SEED = Number(process.env.SEED ?? randomInt(2 ** 31))
/** Whether everything is tried, and not a sample. */
export const IS_SLOW = process.env.SLOW === '1'

/** So many of them, in their order; with SLOW=1 all. */
export function chosenFrom<T>(all: readonly T[], count: number): readonly T[] {
  if (IS_SLOW) return all
  const random = new Random(SEED)
  const places = new Set<number>()
  while (places.size < Math.min(count, all.length)) places.add(random.between(0, all.length - 1))
  return all.filter((_, i) => places.has(i))
}
