const SHAPE = /^(\d{4})-(\d{2})-(\d{2})$/
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

/**
 * Tells whether `text` is a day of the Gregorian calendar as `YYYY-MM-DD`, years 0001 to 9999.
 *
 * Computed without `Date`, which accepts 31 February by rolling it over.
 */
export function isCalendarDate(text: string): boolean {
  const match = SHAPE.exec(text)
  if (match === null) return false
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number]
  return year >= 1 && day >= 1 && day <= daysIn(year, month)
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : (DAYS[month - 1] ?? 0)
}
