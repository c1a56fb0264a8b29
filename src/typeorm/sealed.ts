import { keyNameOf } from '../envelope/open'
import { MortiseError, type MortiseErrorCode } from '../errors'

/** What a stored value that does not open is remembered by. */
export interface SealedSource {
  /** `Entity.property`. */
  readonly field: string
  /** Why the value did not open. */
  readonly code: MortiseErrorCode
  /** As the driver gave it. */
  readonly stored: unknown
}

/**
 * Stands on a property for a stored value that does not open, where `withEncryption` has
 * `damaged: 'sealed'`.
 *
 * It is no value: text, number, JSON and comparison of it throw, so that it never passes for an empty
 * one. Saved with its entity it leaves the stored value as it is; it cannot be written anywhere else.
 *
 * @see {@link isSealed}
 */
export class Sealed {
  readonly #stored: Buffer
  /** `Entity.property` that it was read from. */
  readonly field: string
  /** The code of the error that opening it gave. */
  readonly code: MortiseErrorCode
  /** The key that the stored value names, as 16 hex digits; null where it names none. */
  readonly keyId: string | null

  /** Made by mortise alone; an application has no use for one of its own. */
  constructor({ field, code, stored }: SealedSource) {
    this.#stored = Buffer.isBuffer(stored) ? stored : Buffer.from(String(stored))
    this.field = field
    this.code = code
    this.keyId = keyIdOf(stored)
  }

  /** Whether the other one stands for the same stored value of the same property. */
  isSameAs(other: Sealed): boolean {
    return this.field === other.field && this.#stored.equals(other.#stored)
  }

  /** @throws the error that opening gave, as everything that reads a value does */
  toString(): never {
    throw this.error()
  }

  /** @throws the error that opening gave */
  valueOf(): never {
    throw this.error()
  }

  /** @throws the error that opening gave: JSON would otherwise lose the value silently */
  toJSON(): never {
    throw this.error()
  }

  /** Called by `pg` for parameters that are objects. @throws the error that opening gave */
  toPostgres(): never {
    throw this.error()
  }

  /** @throws the error that opening gave */
  [Symbol.toPrimitive](): never {
    throw this.error()
  }

  /** The error of a place that needs the value: its code, the property and the key. */
  error(): MortiseError {
    const key = this.keyId === null ? '' : ` (key ${this.keyId})`
    return new MortiseError(
      this.code,
      `${this.field} holds a stored value that does not open${key}: isSealed() tells such values ` +
        'apart; make its key usable again, restore it from a backup, or replace it by a new value',
      { field: this.field },
    )
  }
}

Object.defineProperty(Sealed.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: Sealed) {
    return `[sealed ${this.field} ${this.code} key ${this.keyId ?? 'unknown'}]`
  },
})

/**
 * Tells whether a property holds a stored value that does not open.
 *
 * @param value - of any property of a loaded entity
 */
export function isSealed(value: unknown): value is Sealed {
  return value instanceof Sealed
}

/** The one error of writing a sealed value anywhere but where it was read. */
export function cannotWrite(field: string): MortiseError {
  return new MortiseError(
    'ERR_QUERY_UNSUPPORTED',
    `${field} is given a stored value that does not open, which only stays where it was read: save() ` +
      'the entity that it was loaded with, give the property a real value, or leave it out',
    { field },
  )
}

function keyIdOf(stored: unknown): string | null {
  try {
    return Buffer.isBuffer(stored) ? keyNameOf(stored).id : null
  } catch {
    return null
  }
}
