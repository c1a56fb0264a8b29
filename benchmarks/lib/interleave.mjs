// Contenders take turns, in another order each round: a slow moment of the machine meets all of them,
// and none is always behind the same other.
import { createRandom, shuffle } from './random.mjs'

/**
 * @param contenders - by name: an async function that gives one sample
 * @param rounds - samples of each
 * @param warmUp - rounds before them that are thrown away
 * @returns samples by name
 */
export async function interleave(contenders, { rounds, warmUp = 1, seed = 1 }) {
  const random = createRandom(seed)
  const samples = new Map([...contenders.keys()].map((name) => [name, []]))
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, measure] of shuffle([...contenders], random)) {
      const sample = await measure()
      if (round >= 0) samples.get(name).push(sample)
    }
  }
  return samples
}
