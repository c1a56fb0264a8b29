import {
  fromText,
  PADDED,
  PROVIDER_WRAPPED,
  parseEnvelope,
  ROW_BOUND,
  readKeyId,
  SUBJECT_KEY,
} from './format'

/** What an envelope tells without any key. Nothing here is authenticated. */
export interface EnvelopeInfo {
  readonly format: 1
  readonly flags: {
    readonly rowBound: boolean
    readonly padded: boolean
    readonly subjectKey: boolean
    readonly providerWrapped: boolean
  }
  /** 16 hex digits. */
  readonly keyId: string
  /** 40, or the length of a provider's blob. */
  readonly wrappedDekBytes: number
  /** 64 hex digits; public by design, equal for all fields sealed by one write. */
  readonly commitment: string
  /** Length of the sealed value with its type byte and padding. */
  readonly ciphertextBytes: number
  /** Bytes that the binary form adds to the ciphertext. */
  readonly overheadBytes: number
  /** Whether the text form was given. */
  readonly text: boolean
}

/**
 * Describes an envelope without any key.
 *
 * @param envelope - bytes, or the text form that begins with `mrt1.`
 * @throws ERR_ENVELOPE_VERSION for a format that this release does not know
 * @throws ERR_ENVELOPE_MALFORMED for anything else that format 1 cannot be
 * @see docs/format.md "Envelope"
 */
export function inspectEnvelope(envelope: Uint8Array | string): EnvelopeInfo {
  const text = typeof envelope === 'string'
  const bytes = text ? fromText(envelope) : envelope
  const { flags, wrappedDek, commitment, ciphertext } = parseEnvelope(bytes)
  return {
    format: 1,
    flags: {
      rowBound: (flags & ROW_BOUND) !== 0,
      padded: (flags & PADDED) !== 0,
      subjectKey: (flags & SUBJECT_KEY) !== 0,
      providerWrapped: (flags & PROVIDER_WRAPPED) !== 0,
    },
    keyId: readKeyId(bytes),
    wrappedDekBytes: wrappedDek.length,
    commitment: commitment.toString('hex'),
    ciphertextBytes: ciphertext.length,
    overheadBytes: bytes.length - ciphertext.length,
    text,
  }
}
