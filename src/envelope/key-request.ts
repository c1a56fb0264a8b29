import type { KeyRequest } from '../keys/access'
import type { FieldContext } from './field-context'
import {
  checkPrefix,
  type EnvelopeHead,
  FLAGS_OFFSET,
  keyKind,
  parseEnvelope,
  parseHead,
  readKeyId,
  WRAP_OFFSET,
} from './format'
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
  /**
   * Notes the key that the head of an envelope names, whatever its field: magic to commitment.
   *
   * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION for what is no head
   */
  addHead(head: Uint8Array): void
  readonly request: KeyRequest
  /** Whether no envelope was added. */
  isEmpty(): boolean
}

/** Makes an empty collector; see {@link KeyRequestBuilder}. */
export function createKeyRequest(): KeyRequestBuilder {
  const data = new Set<string>()
  const subject = new Set<string>()
  const provider = new Map<string, Map<string, Uint8Array>>()
  let last: Uint8Array | undefined

  function note(envelope: Uint8Array, flags: number, parse: ParseHead, field?: string): void {
    const kind = keyKind(flags)
    // Values that follow each other mostly name the same key: no text is made of its id then.
    if (kind !== 'provider' && last && sameKey(last, envelope)) return
    last = envelope
    const id = readKeyId(envelope)
    if (kind === 'data') data.add(id)
    else if (kind === 'subject') subject.add(id)
    else noteDek(provider, id, parse(envelope, field))
  }

  return {
    add(envelope, field) {
      const flags = checkPrefix(envelope, field.name)
      checkFlags(flags, field)
      note(envelope, flags, parseEnvelope, field.name)
    },
    addHead(head) {
      note(head, checkPrefix(head), parseHead)
    },
    request: { data, subject, provider },
    isEmpty() {
      return data.size === 0 && subject.size === 0 && provider.size === 0
    },
  }
}

type ParseHead = (envelope: Uint8Array, field?: string) => EnvelopeHead

function noteDek(
  provider: Map<string, Map<string, Uint8Array>>,
  id: string,
  { wrappedDek }: EnvelopeHead,
): void {
  const deks = provider.get(id) ?? new Map<string, Uint8Array>()
  provider.set(id, deks.set(wrappedDek.toString('latin1'), wrappedDek))
}

/** Compares flags and key id; where the flags differ, the key may be the same nevertheless. */
function sameKey(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = FLAGS_OFFSET; i < WRAP_OFFSET; i++) if (a[i] !== b[i]) return false
  return true
}
