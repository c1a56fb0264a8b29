import type { Bucket } from '../blind-index/bucketing'
import { hmacSha256 } from '../crypto/hash'
import { randomBytes } from '../crypto/random'
import type { SecretKey } from '../crypto/secret-key'
import { KEY_BYTES, secretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { Field } from '../field'
import { isSealed } from './sealed'

/** What a column of an index holds. */
export type IndexUse = 'token' | 'bucket'

/** What the statement's hook makes of a placeholder: an envelope, a token or a bucket. */
export type PlaceholderUse = 'seal' | IndexUse

/** A column of an index that changes: the statement's hook decides which generation is written. */
export interface IndexSlot {
  /** The field's own column, the one beside it, or its own where it had no such index before. */
  readonly column: 'own' | 'beside' | 'new'
  readonly current: Field
  readonly next: Field
}

/** What a value is by the field of each generation; null where that has no such index. */
export interface SlotValues {
  readonly column: IndexSlot['column']
  readonly current: Placeholder | null
  readonly next: Placeholder
}

/** What shares a DEK: by identity, all values that one statement writes into one row for one subject. */
export interface WriteRecord {
  /** Canonical subject id; null for values without a subject. */
  readonly subject: string | null
}

/** What a placeholder knows beside its value. */
interface Binding {
  readonly slot?: IndexSlot | undefined
  /** Once it belongs to a statement. */
  readonly encoded?: Buffer | undefined
  readonly bucket?: Bucket | undefined
  readonly generations?: SlotValues | undefined
  readonly record?: WriteRecord | undefined
  readonly rowId?: Buffer | undefined
}

let digestKey: SecretKey | undefined

/** Per process, so that a digest in a log or cache key can be compared within it and nowhere else. */
function processKey(): SecretKey {
  digestKey ??= secretKey(randomBytes(KEY_BYTES))
  return digestKey
}

let digesting = true

/** For work that makes JSON of placeholders and drops it: until it returns, no value is digested. */
export function withoutDigests<T>(work: () => T): T {
  digesting = false
  try {
    return work()
  } finally {
    digesting = true
  }
}

/**
 * Stands for a plaintext on its way through TypeORM, which is synchronous and sees only values. The
 * statement's hook replaces it by an envelope or a token; one that reaches the driver throws.
 *
 * It never shows its plaintext: JSON and inspect give a keyed digest, because TypeORM makes JSON of
 * the parameters for its query cache and its logger.
 */
export class Placeholder {
  readonly #value: unknown
  readonly #slot: IndexSlot | undefined
  readonly #encoded: Buffer | undefined
  readonly #bucket: Bucket | undefined
  readonly field: Field
  readonly use: PlaceholderUse
  /** Of a column whose index changes, once bound: the value for each generation. */
  readonly generations: SlotValues | undefined
  readonly record: WriteRecord | undefined
  /** What a row-bound value is sealed with. */
  readonly rowId: Buffer | undefined

  constructor(field: Field, use: PlaceholderUse, value: unknown, binding: Binding = {}) {
    this.field = field
    this.use = use
    this.#value = value
    this.#slot = binding.slot
    this.#encoded = binding.encoded
    this.#bucket = binding.bucket
    this.generations = binding.generations
    this.record = binding.record
    this.rowId = binding.rowId
  }

  /**
   * Fixes a value for one statement. Encoded now: a `Date` or object that the application changes
   * while keys are loaded cannot change what is written.
   *
   * @param record - the row it is written to; undefined for a condition
   * @param rowId - that row's primary key, where the field is bound to its row
   * @throws ERR_VALUE_INVALID where the value does not fit the field
   */
  static bound(
    field: Field,
    use: PlaceholderUse,
    value: unknown,
    record?: WriteRecord,
    rowId?: Buffer,
  ): Placeholder {
    const binding =
      use === 'bucket'
        ? { bucket: field.bucketOf(value), record, rowId }
        : { encoded: encodeFor(field, use, value), record, rowId }
    return new Placeholder(field, use, undefined, binding)
  }

  /** Whether this placeholder stands for `value`: what TypeORM's change detection asks. */
  standsFor(value: unknown): boolean {
    return this.field.sameValue(this.#value, value)
  }

  /** {@link Placeholder.bound} of the value that this one stands for. */
  bind(record?: WriteRecord, rowId?: Buffer): Placeholder {
    const value = this.#value
    if (!this.#slot) return Placeholder.bound(this.field, this.use, value, record, rowId)
    const { column, current, next } = this.#slot
    const of = (field: Field) => Placeholder.bound(field, this.use, value, record)
    const generations = { column, current: column === 'own' ? of(current) : null, next: of(next) }
    const encoded = encodeFor(this.field, this.use, value)
    return new Placeholder(this.field, this.use, undefined, { encoded, generations, record, rowId })
  }

  /**
   * The bytes to seal or to tokenise.
   *
   * @throws ERR_NOT_INSTALLED where the value was never bound to a statement
   */
  get encoded(): Buffer {
    return this.#known(this.#encoded)
  }

  /**
   * The value of a `_lofi` column, which needs no key.
   *
   * @throws ERR_NOT_INSTALLED where the value was never bound to a statement
   */
  get bucket(): Bucket {
    return this.#known(this.#bucket)
  }

  #known<T>(bound: T | undefined): T {
    if (bound === undefined) throw unresolved(this.field.name)
    return bound
  }

  /** A keyed digest: equal for equal values (or buckets) within this process, and nothing else. */
  toJSON(): string {
    if (!digesting) return this.toString()
    const bytes = this.#encoded ?? this.#bucket ?? encodeFor(this.field, this.use, this.#value)
    const digest = hmacSha256(
      processKey(),
      Buffer.isBuffer(bytes) ? bytes : Buffer.from(`${bytes}`),
    )
    return `[encrypted ${this.field.name} ${digest.toString('base64url', 0, 12)}]`
  }

  toString(): string {
    return `[encrypted ${this.field.name}]`
  }

  /** Called by `pg` for parameters that are objects: the last guard before the wire. */
  toPostgres(): never {
    throw unresolved(this.field.name)
  }
}

Object.defineProperty(Placeholder.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value: Placeholder.prototype.toString,
})

function encodeFor(field: Field, use: PlaceholderUse, value: unknown): Buffer {
  return use === 'token' && field.exact !== null ? field.encodeForToken(value) : field.encode(value)
}

function unresolved(field: string): MortiseError {
  return new MortiseError(
    'ERR_NOT_INSTALLED',
    `a value of ${field} would have been sent unencrypted: the statement did not pass through a ` +
      'DataSource with withEncryption()',
    { field },
  )
}

/** An opened value in a raw row, beside the envelope that it came from. */
export class Opened {
  readonly value: unknown
  readonly sealed: unknown

  constructor(value: unknown, sealed: unknown) {
    this.value = value
    this.sealed = sealed
  }

  /**
   * The value, for a condition or an order: a row that cannot be judged is neither dropped nor counted.
   *
   * @throws the error of a value that does not open
   */
  needed(): unknown {
    if (isSealed(this.value)) throw this.value.error()
    return this.value
  }
}

/** What the names of columns begin with that mortise adds to a SELECT: no application uses them. */
export const ADDED = 'mortise$'

/** Gives the rows of `getRawAndEntities()` their ciphertext back, and takes added columns out of them. */
export function restoreEnvelopes(rows: readonly Record<string, unknown>[]): void {
  for (const row of rows) {
    for (const key in row) {
      const cell = row[key]
      if (cell instanceof Opened) row[key] = cell.sealed
      else if (key.startsWith(ADDED)) delete row[key]
    }
  }
}
