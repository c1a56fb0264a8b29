import { types } from 'node:util'
import type { FieldContext } from '../envelope/field-context'
import { fromText, parseEnvelope } from '../envelope/format'
import { createKeyRequest } from '../envelope/key-request'
import { keyNameOf } from '../envelope/open'
import { type OpenInput, openMany } from '../envelope/open-many'
import { sealRecords } from '../envelope/seal'
import { MortiseError } from '../errors'
import type { Field } from '../field'
import type { KeyAccess, OpeningKeys } from '../keys/access'
import { subjectShredded } from '../keys/key-use'

/** What to do with a value whose subject key was destroyed. */
export type ShreddedValues = 'throw' | 'null'

/** A value to seal; null stays null. */
export interface ValueToSeal {
  /** T, made by `field.encode`. */
  readonly encoded: Buffer | null
  /** Canonical subject id; null for a field without subjects. */
  readonly subject: string | null
}

/** A value to open; null stays null. */
export interface ValueToOpen {
  /** Bytes, or the text form. */
  readonly envelope: Uint8Array | string | null
  /** Canonical subject id; null for a field without subjects. */
  readonly subject: string | null
}

/** Seals values, each under a DEK of its own; all keys are looked up at once. */
export async function sealValues(
  access: KeyAccess,
  field: Field,
  values: readonly ValueToSeal[],
): Promise<(Buffer | null)[]> {
  const context = field.context(access.domain)
  const present = values.filter(({ encoded }) => encoded !== null)
  const keys = await access.sealingKeys(new Set(present.map(({ subject }) => subject)))
  const records = present.map(({ encoded, subject }) => ({
    key: keys.get(subject)!,
    values: [{ field: context, encoded: encoded! }],
  }))
  const sealed = (await sealRecords(records)).values()
  // Copies: an envelope that came natively is a view of its page, and an application that keeps it would
  // keep the page, or take all others along where it transfers it to another thread.
  return values.map(({ encoded }) =>
    encoded === null ? null : Buffer.from(sealed.next().value![0]!),
  )
}

/** Opens envelopes; keys that are not in memory are fetched with one query for each kind. */
export async function openValues(
  access: KeyAccess,
  field: Field,
  values: readonly ValueToOpen[],
  shredded: ShreddedValues,
): Promise<unknown[]> {
  const context = field.context(access.domain)
  const envelopes = values.map(({ envelope }) =>
    envelope === null ? null : envelopeBytes(envelope, field),
  )
  const needed = createKeyRequest()
  for (const envelope of envelopes) if (envelope !== null) needed.add(envelope, context)
  if (needed.isEmpty()) return values.map(() => null)
  const keys = await access.keysFor(needed.request)
  const refs = await subjectRefs(access, values)
  const inputs: OpenInput[] = []
  const isOpened = values.map(({ subject }, index) => {
    const envelope = envelopes[index]!
    if (envelope === null || isShredded(envelope, context, keys, shredded)) return false
    inputs.push({ envelope, field: context, subjectRef: refs.get(subject) })
    return true
  })
  const opened = (await openMany(keys.keyOf, inputs)).values()
  return isOpened.map((is) => (is ? valueOrThrow(opened.next().value) : null))
}

/** @throws ERR_SUBJECT_SHREDDED where such a value is not to be read as null */
function isShredded(
  envelope: Uint8Array,
  { name, subject }: FieldContext,
  keys: OpeningKeys,
  shredded: ShreddedValues,
): boolean {
  if (!subject) return false
  const { id } = keyNameOf(envelope)
  const shreddedAt = keys.shreddedAt(id)
  if (shreddedAt === undefined) return false
  if (shredded === 'null') return true
  throw subjectShredded(id, shreddedAt, name)
}

function valueOrThrow(opened: unknown): unknown {
  if (opened instanceof MortiseError) throw opened
  return opened
}

async function subjectRefs(
  access: KeyAccess,
  values: readonly ValueToOpen[],
): Promise<ReadonlyMap<string | null, Buffer>> {
  const subjects = values.map(({ subject }) => subject).filter((subject) => subject !== null)
  return subjects.length === 0 ? new Map() : access.subjectRefs(new Set(subjects))
}

/** Step 1 of opening, with the field's name, before any key is looked up. */
function envelopeBytes(envelope: Uint8Array | string, { name }: Field): Uint8Array {
  const bytes = typeof envelope === 'string' ? fromText(envelope, name) : envelope
  if (!types.isUint8Array(bytes)) {
    throw new MortiseError(
      'ERR_ENVELOPE_MALFORMED',
      `${name}: an envelope is a Uint8Array, or its text form`,
      { field: name },
    )
  }
  parseEnvelope(bytes, name)
  return bytes
}
