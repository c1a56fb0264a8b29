/** What a unique violation on encrypted properties says. */
export interface EncryptedUniqueViolation {
  /** `Entity.property` of each encrypted property in the constraint. */
  readonly properties: readonly string[]
  /** Name of the constraint or index in the database. */
  readonly constraint: string | undefined
}

const violations = new WeakMap<object, EncryptedUniqueViolation>()

/** Remembers what an error was about, before its detail is cut. */
export function noteViolation(error: object, violation: EncryptedUniqueViolation): void {
  violations.set(error, violation)
}

/**
 * Tells a unique violation on encrypted properties from other errors, so that an application can say
 * which value is taken.
 *
 * @param error - what a write threw
 * @returns the properties; undefined for any other error. Values and tokens are in no part of it
 */
export function encryptedUniqueViolation(error: unknown): EncryptedUniqueViolation | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  // TypeORM's logger is shown the driver's error, before there is a QueryFailedError around it.
  const { driverError } = error as { driverError?: object }
  return violations.get(error) ?? (driverError && violations.get(driverError))
}
