import { checkIdentifier, encodeParts, lengthPrefixed, u8, u16 } from '../bytes'
import { IV_BYTES } from '../crypto/aead'
import { sha256 } from '../crypto/hash'
import { MortiseError } from '../errors'
import { PADDED, ROW_BOUND, SUBJECT_KEY } from './format'
import type { ValueType } from './value-type'

const MAX_PAD_BYTES = 65_536

/** What a field declares about its envelopes. */
export interface FieldDeclaration {
  /** `Entity.property`: named in errors, bound into nothing. */
  readonly name: string
  /** Bound into every key and envelope. */
  readonly domain: string
  /** The stable name of the column, bound into IV and AAD. */
  readonly fieldId: string
  readonly type: ValueType
  /** Whether envelopes are bound to the row id. Default false. */
  readonly rowBound?: boolean | undefined
  /** Whether envelopes are sealed under the key of the row's data subject. Default false. */
  readonly subject?: boolean | undefined
  /** Step in bytes, 1 to 65536, that plaintexts are padded to; null (the default) for none. */
  readonly pad?: number | null | undefined
  /** Whether strings and JSON are compressed before they are padded and sealed. Default false. */
  readonly compressed?: boolean | undefined
}

/** A declared field with everything that does not depend on row or value computed once. */
export interface FieldContext {
  readonly name: string
  readonly domain: string
  readonly fieldId: string
  readonly type: ValueType
  readonly rowBound: boolean
  readonly subject: boolean
  readonly pad: number | null
  readonly compressed: boolean
  /** 12 bytes, a function of domain and field id: safe because a DEK seals each field once. */
  readonly iv: Buffer
  /** The IV as latin1 text, for sets of IVs. */
  readonly ivText: string
  /** AAD up to the row id, without and with b1. */
  readonly aadPrefix: { readonly unpadded: Buffer; readonly padded: Buffer }
  /** The field in a page of the native path; see `NativePage.fieldIndex`. */
  readonly native: Buffer
}

/**
 * Checks a field's declaration and computes its IV and AAD.
 *
 * @throws ERR_CONFIG for a domain or field id that is not printable ASCII of allowed length
 * @throws ERR_FIELD_INVALID for a `pad` that is not a whole number of bytes from 1 to 65536, and for
 *   `compress` on another type than string and json
 * @see docs/format.md "Envelope"
 */
export function createFieldContext(declaration: FieldDeclaration): FieldContext {
  const { name, type, rowBound = false, subject = false, pad = null } = declaration
  const { compressed = false } = declaration
  const domain = checkIdentifier(declaration.domain, 'the domain', 64)
  const fieldId = checkIdentifier(declaration.fieldId, `the field id of ${name}`, 255)
  checkPad(pad, name)
  checkCompressed(compressed, type, name)
  const names = encodeParts(domain, fieldId)
  const iv = sha256(encodeParts('mortise/1/iv', domain, fieldId)).subarray(0, IV_BYTES)
  const b0 = rowBound ? ROW_BOUND : 0
  const flags = b0 | (subject ? SUBJECT_KEY : 0) | (pad === null ? 0 : PADDED)
  const unpadded = Buffer.concat([u8(b0), names])
  return {
    name,
    domain,
    fieldId,
    type,
    rowBound,
    subject,
    pad,
    compressed,
    iv,
    ivText: iv.toString('latin1'),
    aadPrefix: { unpadded, padded: Buffer.concat([u8(b0 | PADDED), names]) },
    native: Buffer.concat([u8(flags), iv, u16(unpadded.length), unpadded]),
  }
}

/**
 * A field as an envelope says that it was when the envelope was made: for those who seal it again as the
 * field is declared now. Everybody else expects the flags of the declaration.
 *
 * Compressed content is told apart by its type byte, so that both forms open.
 *
 * @param flags - of the envelope
 */
export function contextAsSealed(field: FieldContext, flags: number): FieldContext {
  const rowBound = (flags & ROW_BOUND) !== 0
  const subject = (flags & SUBJECT_KEY) !== 0
  const compressed = field.type === 'string' || field.type === 'json'
  return createFieldContext({ ...field, rowBound, subject, compressed })
}

/**
 * AAD = u8(flags & 0x03) | LP(domain) | LP(field id) | [LP(row id) if b0].
 *
 * @param padded - b1 of the envelope, not of the declaration: a field may begin or cease to pad
 * @param rowId - made by `encodeRowId`; belongs to the record, and is left out where the field is
 *   not row-bound
 * @throws ERR_ROW_UNKNOWN where the field is row-bound and no row id is given
 */
export function aadOf(field: FieldContext, padded: boolean, rowId?: Uint8Array): Buffer {
  const prefix = padded ? field.aadPrefix.padded : field.aadPrefix.unpadded
  const bound = boundRowId(field, rowId)
  return bound === undefined ? prefix : Buffer.concat([prefix, lengthPrefixed(bound)])
}

/**
 * The row id that goes into the AAD.
 *
 * @returns undefined where the field is not row-bound
 * @throws ERR_ROW_UNKNOWN where the field is row-bound and no row id is given
 */
export function boundRowId(field: FieldContext, rowId?: Uint8Array): Uint8Array | undefined {
  if (!field.rowBound) return undefined
  if (rowId !== undefined) return rowId
  throw new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field.name} is bound to its row: the statement must name the primary key`,
    { field: field.name },
  )
}

function checkPad(pad: number | null, name: string): void {
  if (pad === null || (Number.isInteger(pad) && pad >= 1 && pad <= MAX_PAD_BYTES)) return
  throw new MortiseError(
    'ERR_FIELD_INVALID',
    `the pad of ${name} must be a whole number of bytes from 1 to ${MAX_PAD_BYTES}`,
    { field: name },
  )
}

function checkCompressed(compressed: unknown, type: ValueType, name: string): void {
  const compressible = type === 'string' || type === 'json'
  if (compressed === false || (compressed === true && compressible)) return
  throw new MortiseError(
    'ERR_FIELD_INVALID',
    compressible
      ? `compress of ${name} must be true or false`
      : `compress is for strings and json; leave it out of ${name}, which is declared as ${type}`,
    { field: name },
  )
}
