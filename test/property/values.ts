import fc from 'fast-check'
import type { ValueType } from '../../src/envelope/value-type'

const day = (date: Date) => date.toISOString().slice(0, 10)

/** Every value that a type can hold. */
export const VALUES: Record<ValueType, fc.Arbitrary<unknown>> = {
  string: fc.string({ unit: 'binary', maxLength: 60 }),
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  bigint: fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }),
  boolean: fc.boolean(),
  timestamp: fc.date({ noInvalidDate: true }),
  date: fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map(day),
  bytes: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  json: fc.jsonValue().filter((value) => value !== null),
}
