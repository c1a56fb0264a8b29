import { domainToASCII } from 'node:url'
import { checkIdentifier } from '../bytes'
import { MortiseError } from '../errors'
import { declarationError } from './declaration-error'

/**
 * The normalisers that mortise brings. Each does what its name says and nothing else:
 *
 * - `email`: trim, NFC, lower case, and the domain in its ASCII form. No plus-tag or dot rules.
 * - `lowercase`: Unicode lower case without locale rules.
 * - `trim`: no white space at either end.
 * - `nfc`: Unicode normalisation form C (UAX #15).
 * - `digits`: the ASCII digits 0 to 9, in order; everything else is dropped.
 *
 * Equality on a normalised field is equality of normalised values, as `citext` does it: a `unique`
 * e-mail refuses `ADA@example.com` beside `ada@example.com`. What is stored and opened stays as it
 * was written.
 */
export type NormalizerName = 'email' | 'lowercase' | 'trim' | 'nfc' | 'digits'

/**
 * The application's own rule for when two strings count as equal.
 *
 * Its name and version are part of the key of every token: raise the version whenever any result
 * changes, which is a new generation of the index (`reindex`).
 */
export interface CustomNormalizer {
  /** 1 to 64 printable ASCII characters without space and `@`; none of {@link NormalizerName}. */
  readonly name: string
  /** 1 to 4,294,967,295. */
  readonly version: number
  /** Must give the same well-formed text for the same input, always and on every machine. */
  normalize(value: string): string
}

/** A normaliser as tokens use it. */
export interface Normalizer {
  /** `''` for none, else `name@version`: part of the token key's derivation. */
  readonly id: string
  normalize(value: string): string
}

/**
 * Finds the normaliser that a declaration names.
 *
 * @param option - a name, an own function, or undefined for none
 * @param field - `Entity.property`, for errors
 * @throws ERR_FIELD_INVALID for an unknown name or a malformed own normaliser
 * @see docs/format.md "Index tokens"
 */
export function resolveNormalizer(
  option: NormalizerName | CustomNormalizer | undefined,
  field: string,
): Normalizer {
  if (option === undefined) return { id: '', normalize: (value) => value }
  if (typeof option === 'object' && option !== null) return customNormalizer(option, field)
  if (!isBuiltIn(option)) {
    throw declarationError(
      field,
      `unknown normaliser; use ${Object.keys(BUILT_IN).join(', ')}, or { name, version, normalize }`,
    )
  }
  const { version, rule } = BUILT_IN[option]
  return { id: `${option}@${version}`, normalize: (value) => rule(value, field) }
}

/** The version rises with any change of any result: tokens made before and after never mix. */
interface Rule {
  readonly version: number
  rule(value: string, field: string): string
}

const BUILT_IN: Record<NormalizerName, Rule> = {
  email: { version: 1, rule: normalizeEmail },
  lowercase: { version: 1, rule: (value) => value.toLowerCase() },
  trim: { version: 1, rule: (value) => value.trim() },
  nfc: { version: 1, rule: (value) => value.normalize('NFC') },
  digits: { version: 1, rule: (value) => value.replace(/[^0-9]/g, '') },
}

function isBuiltIn(name: unknown): name is NormalizerName {
  return typeof name === 'string' && Object.hasOwn(BUILT_IN, name)
}

/**
 * Only a domain of these characters is converted: the URL host parser behind `domainToASCII` would
 * read percent signs, ports and brackets of anything else as syntax.
 */
const INTERNATIONAL_DOMAIN = /^[\p{L}\p{M}\p{Nd}.-]*$/u

function normalizeEmail(value: string, field: string): string {
  const text = value.trim().normalize('NFC').toLowerCase()
  const at = text.lastIndexOf('@')
  const domain = text.slice(at + 1)
  if (at < 0 || !/\P{ASCII}/u.test(domain) || !INTERNATIONAL_DOMAIN.test(domain)) return text
  const ascii = domainToASCII(domain)
  if (ascii === '') {
    throw valueError(field, 'the domain of the e-mail address has no ASCII form (UTS #46)')
  }
  return text.slice(0, at + 1) + ascii
}

const MAX_VERSION = 0xffff_ffff

function customNormalizer(custom: CustomNormalizer, field: string): Normalizer {
  const { name, version } = custom
  checkIdentifier(String(name), `the normaliser's name in ${field}`, 64)
  if (name.includes('@')) throw declarationError(field, "a normaliser's name must not contain '@'")
  if (isBuiltIn(name)) {
    throw declarationError(field, `normaliser '${name}' is built in; give your own another name`)
  }
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION) {
    throw declarationError(field, `normaliser '${name}' needs a version, an integer from 1`)
  }
  if (typeof custom.normalize !== 'function') {
    throw declarationError(field, `normaliser '${name}' needs a function normalize(value)`)
  }
  const id = `${name}@${version}`
  return { id, normalize: (value) => applyCustom(custom, value, id, field) }
}

function applyCustom(custom: CustomNormalizer, value: string, id: string, field: string): string {
  let result: unknown
  try {
    result = custom.normalize(value)
  } catch {
    // Without the cause: the message of an application's function may quote the value.
    throw valueError(field, `normaliser '${id}' threw`)
  }
  if (typeof result !== 'string' || !result.isWellFormed()) {
    throw valueError(field, `normaliser '${id}' must return a well-formed string`)
  }
  return result
}

function valueError(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_VALUE_INVALID', `${field}: ${problem}`, { field })
}
