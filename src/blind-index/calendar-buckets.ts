import { MortiseError } from '../errors'
import type { Bucketing } from './bucketing'
import { declarationError } from './declaration-error'
import { compareScalars } from './value-order'

/** A calendar date cut to its year, month or day: the first day of that span, 'YYYY-MM-DD'. */
export function dateBuckets(unit: unknown, field: string): Bucketing {
  const length = DATE_UNITS.get(unit)
  if (length === undefined) {
    throw declarationError(field, "range.truncate of a date must be 'year', 'month' or 'day'")
  }
  const bucketOf = (value: unknown) => (value as string).slice(0, length) + FIRST_DAY.slice(length)
  return {
    parameters: `truncate:${unit}`,
    columnType: 'date',
    collation: null,
    bucketOf,
    begins: (value) => bucketOf(value) === value,
    compare: compareScalars,
  }
}

/** How much of 'YYYY-MM-DD' each unit keeps. */
const DATE_UNITS: ReadonlyMap<unknown, number> = new Map([
  ['year', 4],
  ['month', 7],
  ['day', 10],
])
const FIRST_DAY = '0000-01-01'

/** An instant cut to its UTC year, month, day or hour, in a text that PostgreSQL reads as it is. */
export function timestampBuckets(unit: unknown, field: string): Bucketing {
  const depth = TIMESTAMP_UNITS.indexOf(unit)
  if (depth < 0) {
    throw declarationError(
      field,
      "range.truncate of a timestamp must be 'year', 'month', 'day' or 'hour'",
    )
  }
  return {
    parameters: `truncate:${unit}`,
    columnType: 'timestamp with time zone',
    collation: null,
    bucketOf: (value) => timestampText(value as Date, depth, field),
    begins: (value) => beginsSpan(value as Date, depth, field),
    compare: (a, b) => timestampRank(String(a)) - timestampRank(String(b)),
  }
}

const TIMESTAMP_UNITS: readonly unknown[] = ['year', 'month', 'day', 'hour']

/** 4713 BC in astronomical years, the first whole year of PostgreSQL's timestamps. */
const MIN_YEAR = -4712

/** 'YYYY-MM-DD HH:00:00+00', with ' BC' before the year 1; independent of DateStyle and TimeZone. */
function timestampText(instant: Date, depth: number, field: string): string {
  const year = instant.getUTCFullYear()
  if (year < MIN_YEAR) {
    throw new MortiseError(
      'ERR_VALUE_INVALID',
      `${field}: a timestamp with a range index begins at 4713 BC, as in PostgreSQL`,
      { field },
    )
  }
  const month = depth < 1 ? 1 : instant.getUTCMonth() + 1
  const day = depth < 2 ? 1 : instant.getUTCDate()
  const hour = depth < 3 ? 0 : instant.getUTCHours()
  const era = year < 1 ? ' BC' : ''
  const date = `${digits(year < 1 ? 1 - year : year, 4)}-${digits(month, 2)}-${digits(day, 2)}`
  return `${date} ${digits(hour, 2)}:00:00+00${era}`
}

const HOUR = 3
const HOUR_MS = 3_600_000

function beginsSpan(instant: Date, depth: number, field: string): boolean {
  const isWholeHour = instant.getTime() % HOUR_MS === 0
  return isWholeHour && timestampText(instant, depth, field) === timestampText(instant, HOUR, field)
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0')
}

const TIMESTAMP_TEXT = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):00:00\+00( BC)?$/

/** A number that orders bucket texts as instants; the years of the text alone would not. */
function timestampRank(text: string): number {
  const parts = TIMESTAMP_TEXT.exec(text)
  if (parts === null) throw new TypeError('not a timestamp bucket')
  const [year, month, day, hour] = parts.slice(1, 5).map(Number) as [number, number, number, number]
  return (((parts[5] ? 1 - year : year) * 13 + month) * 32 + day) * 24 + hour
}
