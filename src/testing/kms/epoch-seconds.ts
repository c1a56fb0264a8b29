/** A time as the protocol has it: seconds since 1970, with milliseconds behind the point. */
export function epochSeconds(date: Date): number {
  return date.getTime() / 1000
}
