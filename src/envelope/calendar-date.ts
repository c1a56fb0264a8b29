const SHAPE = /^\d{4}-\d{2}-\d{2}$/
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

/**
 * Tells whether `text` is a day of the Gregorian calendar as `YYYY-MM-DD`, years 0001 to 9999.
 *
 * Computed without `Date`, which accepts 31 February by rolling it over.
 */
export function isCalendarDate(text: string): boolean {
  if (!SHAPE.test(text)) return false
  const year = Number(text.slice(0, 4))
  const month = Number(text.slice(5, 7))
  const day = Number(text.slice(8))
  return year >= 1 && day >= 1 && day <= daysIn(year, month)
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : (DAYS[month - 1] ?? 0)
}
