import { expect, test } from 'vitest'
import { isCalendarDate } from '../../src/envelope/calendar-date'

const text = (year: number, month: number, day: number) =>
  [String(year).padStart(4, '0'), ...[month, day].map((n) => String(n).padStart(2, '0'))].join('-')

test('agrees with the proleptic Gregorian calendar of Date on every day of some years', () => {
  for (const year of [1, 4, 99, 100, 400, 1582, 1700, 1900, 2000, 2023, 2024, 9999]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const date = new Date(0)
        date.setUTCFullYear(year, month - 1, day)
        const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
        expect(isCalendarDate(text(year, month, day)), text(year, month, day)).toBe(real)
      }
    }
  }
})

test.each(['0000-01-01', '10000-01-01', '-001-01-01', '2024-1-01', '2024-01-01Z', ''])(
  '%j is none',
  (other) => {
    expect(isCalendarDate(other)).toBe(false)
  },
)
