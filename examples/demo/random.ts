/** Draws that repeat from run to run, so that every figure of the demo can be compared. */
export interface Random {
  /** 0 <= x < 1. */
  fraction(): number
  /** Mean 0, standard deviation 1. */
  normal(): number
  /** 0 <= n < bound, each as likely. */
  below(bound: number): number
  /** Each as likely. */
  pick<T>(list: readonly T[]): T
  /** Zipf: the i-th entry with a probability in proportion to 1 / i. */
  pickSkewed<T>(list: readonly T[]): T
}

/** mulberry32: good enough to make people up, useless for keys. */
export function seededRandom(seed: number): Random {
  let state = seed
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(fraction() * bound)
  return {
    fraction,
    below,
    // Box-Muller; 1 - x because the logarithm of 0 is infinite.
    normal: () => Math.sqrt(-2 * Math.log(1 - fraction())) * Math.cos(2 * Math.PI * fraction()),
    pick: (list) => list[below(list.length)]!,
    pickSkewed: (list) => list[zipfRank(list.length, fraction())]!,
  }
}

function zipfRank(size: number, fraction: number): number {
  let left = fraction * Array.from({ length: size }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b)
  for (let i = 0; i < size; i++) {
    left -= 1 / (i + 1)
    if (left < 0) return i
  }
  return size - 1
}
