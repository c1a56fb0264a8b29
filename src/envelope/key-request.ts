import { asBuffer } from '../bytes'
import type { KeyRequest } from '../keys/access'
import type { FieldContext } from './field-context'
import { checkPrefix, keyKind, parseEnvelope, readKeyId } from './format'
import { checkFlags } from './open'

/** Collects what a page of envelopes needs, before any of them is opened. */
export interface KeyRequestBuilder {
  /**
   * Notes the key of one envelope, after steps 1 and 2 of opening: no key is looked up for what is no
   * envelope of the field.
   *
   * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION, ERR_ENVELOPE_FLAGS as opening does
   */
  add(envelope: Uint8Array, field: FieldContext): void
  readonly request: KeyRequest
  /** Whether no envelope was added. */
  readonly isEmpty: boolean
}

/** Makes an empty collector; see {@link KeyRequestBuilder}. */
export function createKeyRequest(): KeyRequestBuilder {
  const data = new Set<string>()
  const subject = new Set<string>()
  const provider = new Map<string, Map<string, Uint8Array>>()
  return {
    add(envelope, field) {
      const flags = checkPrefix(envelope, field.name)
      checkFlags(flags, field)
      const kind = keyKind(flags)
      const id = readKeyId(envelope)
      if (kind === 'data') data.add(id)
      else if (kind === 'subject') subject.add(id)
      else {
        const { wrappedDek } = parseEnvelope(envelope, field.name)
        const deks = provider.get(id) ?? new Map<string, Uint8Array>()
        provider.set(id, deks.set(asBuffer(wrappedDek).toString('latin1'), wrappedDek))
      }
    },
    request: { data, subject, provider },
    get isEmpty() {
      return data.size === 0 && subject.size === 0 && provider.size === 0
    },
  }
}
