import { invalidParameter, KmsError } from './kms-error'

/** The JSON body of a request. */
export type Parameters = Readonly<Record<string, unknown>>
/** Name-value pairs that are authenticated with a ciphertext, and not secret. */
export type EncryptionContext = Readonly<Record<string, string>>

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A text parameter, or null where it is absent. */
export function optionalText(input: Parameters, name: string, max = 2048): string | null {
  const value = input[name] ?? null
  if (value === null) return null
  if (typeof value !== 'string') throw wrongType(name)
  if (value.length < 1)
    throw invalidParameter(name, 'Member must have length greater than or equal to 1')
  if (value.length > max) {
    throw invalidParameter(name, `Member must have length less than or equal to ${max}`)
  }
  return value
}

/** A text parameter that must be there. */
export function text(input: Parameters, name: string, max = 2048): string {
  return optionalText(input, name, max) ?? missing(name)
}

/** A text parameter out of a closed set. */
export function choice<T extends string>(
  input: Parameters,
  name: string,
  allowed: readonly T[],
): T | null {
  const value = optionalText(input, name)
  if (value === null || allowed.includes(value as T)) return value as T | null
  throw invalidParameter(name, `Member must satisfy enum value set: [${allowed.join(', ')}]`)
}

/** A blob of 1 to `max` bytes. */
export function blob(input: Parameters, name: string, max: number): Buffer {
  const value = input[name] ?? missing(name)
  if (typeof value !== 'string' || !BASE64.test(value)) throw wrongType(name)
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length < 1)
    throw invalidParameter(name, 'Member must have length greater than or equal to 1')
  if (bytes.length <= max) return bytes
  throw invalidParameter(name, `Member must have length less than or equal to ${max}`)
}

/** An integer parameter, or null where it is absent. */
export function optionalInteger(
  input: Parameters,
  name: string,
  min: number,
  max: number,
): number | null {
  const value = input[name] ?? null
  if (value === null) return null
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongType(name)
  if (value < min)
    throw invalidParameter(name, `Member must have value greater than or equal to ${min}`)
  if (value > max)
    throw invalidParameter(name, `Member must have value less than or equal to ${max}`)
  return value
}

/** A boolean parameter; false where it is absent. */
export function flag(input: Parameters, name: string): boolean {
  const value = input[name] ?? false
  if (typeof value !== 'boolean') throw wrongType(name)
  return value
}

/** A list of texts; empty where it is absent. */
export function texts(input: Parameters, name: string): readonly string[] {
  const value = input[name] ?? []
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw wrongType(name)
}

/** An encryption context; empty where it is absent, which authenticates the same. */
export function encryptionContext(input: Parameters, name: string): EncryptionContext {
  const value = input[name] ?? {}
  if (typeof value !== 'object' || Array.isArray(value)) throw wrongType(name)
  const parts = Object.entries(value as object).flat()
  if (parts.every((part) => typeof part === 'string' && part.isWellFormed())) {
    return value as EncryptionContext
  }
  throw wrongType(name)
}

function missing(name: string): never {
  throw invalidParameter(name, 'Member must not be null')
}

function wrongType(name: string): KmsError {
  return new KmsError('SerializationException', `the value of ${name} has another type`)
}
