const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const

/** Seconds in the two largest units that matter: `3 h 20 min`, `45 s`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [large] = UNITS.filter(([, size]) => whole >= size)
  if (large === undefined) return `${whole} s`
  const [unit, size] = large
  const [smallUnit, smallSize] = UNITS[UNITS.indexOf(large) + 1] ?? (['s', 1] as const)
  const rest = Math.floor((whole % size) / smallSize)
  return `${Math.floor(whole / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smallUnit}`}`
}
