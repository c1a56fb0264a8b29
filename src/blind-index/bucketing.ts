/** A value of a `_lofi` column: numbers as such; `numeric`, dates, timestamps and text as text. */
export type Bucket = number | string

/** The PostgreSQL type of a `_lofi` column. */
export type BucketColumnType =
  | 'double precision'
  | 'numeric'
  | 'timestamp with time zone'
  | 'date'
  | 'integer'
  | 'text'

/**
 * How one field's values become buckets.
 *
 * `bucketOf` is monotone: a <= b in the order of values (`compareValues`) gives bucketOf(a) <=
 * bucketOf(b). That alone makes `lofi >= bucketOf(x)` a sound superset of `value > x`.
 */
export interface Bucketing {
  /** Canonical text such as `step:10000`, kept by the key store: equal text, equal buckets. */
  readonly parameters: string
  readonly columnType: BucketColumnType
  /** `C` for text, so that the column orders by code point. */
  readonly collation: 'C' | null
  /** How many code points of a string the bucket is; only where it is a prefix. */
  readonly prefix?: number
  /**
   * The bucket of a value, exactly as it is given to the database as a parameter.
   *
   * Dates and timestamps are text in UTC and not `Date`: `pg` writes a `Date` in local time with
   * whole minutes of offset, which moves instants before standard time by up to 59 seconds.
   *
   * @throws ERR_VALUE_INVALID where the value has another type or its bucket no database form
   */
  bucketOf(value: unknown): Bucket
  /**
   * Whether no value below this one shares its bucket, for a value that `bucketOf` takes. Then `>=` and
   * `<` of it are exact: whole buckets lie on either side.
   */
  begins(value: unknown): boolean
  /** Orders two results of `bucketOf` as the column orders them. */
  compare(a: Bucket, b: Bucket): number
}

/**
 * Makes the buckets of one (type, kind of range): checks the declared parameter, and may assume
 * that every value given to `bucketOf` has the field's type.
 */
export type MakeBucketing = (parameter: unknown, field: string) => Bucketing
