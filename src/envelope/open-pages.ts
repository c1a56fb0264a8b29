import { type NativeAddon, OPERATIONS, STATUS } from '../crypto/native'
import { NativePage, PAGE_BYTES, PAGE_VALUES } from '../crypto/native-page'
import type { DataKey, KeyKind, SubjectKey } from '../keys/access'
import { boundRowId, type FieldContext } from './field-context'
import {
  checkPrefix,
  HEAD_BYTES,
  KEY_BLOCK_BYTES,
  KEY_ID_OFFSET,
  keyKind,
  MAX_CIPHERTEXT_BYTES,
  OVERHEAD_BYTES,
  PADDED,
  PROVIDER_WRAPPED,
  parseEnvelope,
  readKeyId,
} from './format'
import { ofOneValue } from './one-value'
import {
  checkDomain,
  checkFlags,
  contentOf,
  decryptionFailed,
  type KeyLookup,
  sameSubject,
  subjectUnknown,
} from './open'
import { type OpenAs, type OpenInput, openOne } from './open-one'
import { recordInfo } from './record-key'
import { inLanes } from './slices'
import { TYPE_BYTES } from './value-type'

/** How the values of one call are opened. */
interface Opening {
  readonly addon: NativeAddon
  readonly keyOf: KeyLookup
  readonly as: OpenAs
  readonly inputs: readonly OpenInput[]
  readonly results: unknown[]
  /** In JavaScript: what a provider wrapped, and what is of another domain than its page. */
  readonly openOne: (input: OpenInput) => unknown
}

/** Opens envelopes natively; see `openMany`. */
export async function openPages(
  addon: NativeAddon,
  keyOf: KeyLookup,
  inputs: readonly OpenInput[],
  as: OpenAs,
): Promise<unknown[]> {
  const results = new Array<unknown>(inputs.length)
  const opening = { addon, keyOf, as, inputs, results, openOne: openOne(keyOf, as) }
  const ranges = pageRanges(inputs)
  await inLanes(ranges, async (range) => {
    const page = collect(opening, range)
    readResults(opening, page, await page.native.run(ranges.length === 1))
  })
  return results
}

interface Range {
  readonly from: number
  readonly to: number
  /** Of envelopes and row ids. */
  readonly bytes: number
}

function pageRanges(inputs: readonly OpenInput[]): Range[] {
  const ranges: Range[] = []
  let from = 0
  let bytes = 0
  inputs.forEach(({ envelope, rowId }, i) => {
    const more = envelope.length + (rowId?.length ?? 0)
    if (i > from && (i - from === PAGE_VALUES || bytes + more > PAGE_BYTES)) {
      ranges.push({ from, to: i, bytes })
      from = i
      bytes = 0
    }
    bytes += more
  })
  if (inputs.length > from) ranges.push({ from, to: inputs.length, bytes })
  return ranges
}

/** What the addon works on, and whose values they are. */
interface CollectedPage {
  readonly native: NativePage
  readonly domain: string
  /** Of each value in `native`: its place among the inputs. */
  readonly places: number[]
  /** Of what the addon gives for each. Noted: the bytes of the caller may change while it works. */
  readonly lengths: number[]
  /** Of each value in `native`: the key that it names. */
  readonly keys: (DataKey | SubjectKey)[]
  /** Of each envelope in `native`. */
  readonly flags: number[]
}

/** Steps 1 to 3 of opening for each value; what is wrong with one is its result. */
function collect(opening: Opening, { from, to, bytes }: Range): CollectedPage {
  const domain = opening.inputs[from]?.field.domain ?? ''
  const info = recordInfo(domain)
  const operation = opening.as === 'unlocked' ? OPERATIONS.rewrap : OPERATIONS.open
  const native = new NativePage(opening.addon, operation, info, to - from, bytes)
  const page = { native, domain, places: [], lengths: [], keys: [], flags: [] }
  const keyNamed = rememberedKeys(opening.keyOf)
  for (let place = from; place < to; place++) {
    const input = opening.inputs[place] as OpenInput
    // Not by `attempt`: that would be a closure for each value.
    try {
      collectOne(opening, page, keyNamed, input, place)
    } catch (error) {
      opening.results[place] = ofOneValue(error)
    }
  }
  return page
}

function collectOne(
  opening: Opening,
  page: CollectedPage,
  keyNamed: KeyNamed,
  input: OpenInput,
  place: number,
): void {
  const { envelope, field, subjectRef } = input
  const flags = checkPrefix(envelope, field.name)
  if ((flags & PROVIDER_WRAPPED) !== 0 || field.domain !== page.domain) {
    opening.results[place] = opening.openOne(input)
    return
  }
  const length = envelope.length - OVERHEAD_BYTES
  if (length < 1 || length > MAX_CIPHERTEXT_BYTES) parseEnvelope(envelope, field.name)
  checkFlags(flags, field)
  const isOpened = opening.as !== 'unlocked'
  const rowId = isOpened ? boundRowId(field, input.rowId) : undefined
  if (field.subject && subjectRef === undefined) throw subjectUnknown(field)
  const found = keyNamed(envelope, keyKind(flags))
  checkDomain(found.domain, envelope, field)
  const key = page.native.keyIndex({ idBytes: found.idBytes, key: found.dekWrapKey })
  if (isOpened) {
    const ofField = page.native.fieldIndex(field.native)
    page.native.add({ key, field: ofField, value: envelope, rowId })
  } else {
    // The addon unlocks what it rewraps, here under the same key again: nobody takes the new key block.
    page.native.add({ key, field: key, value: envelope.subarray(0, HEAD_BYTES) })
  }
  page.places.push(place)
  page.lengths.push(isOpened ? length : KEY_BLOCK_BYTES)
  page.keys.push(found)
  page.flags.push(flags)
}

type KeyNamed = (envelope: Uint8Array, kind: KeyKind) => DataKey | SubjectKey

/** Values that follow each other mostly name the same key: no text is made of its id then. */
function rememberedKeys(keyOf: KeyLookup): KeyNamed {
  let last: DataKey | SubjectKey | undefined
  let lastKind: KeyKind | undefined
  return (envelope, kind) => {
    if (last === undefined || lastKind !== kind || !names(envelope, last.idBytes)) {
      last = keyOf(readKeyId(envelope), kind) as DataKey | SubjectKey
      lastKind = kind
    }
    return last
  }
}

function names(envelope: Uint8Array, idBytes: Uint8Array): boolean {
  for (let i = 0; i < idBytes.length; i++) {
    if (envelope[KEY_ID_OFFSET + i] !== idBytes[i]) return false
  }
  return true
}

function readResults(opening: Opening, page: CollectedPage, output: Buffer): void {
  const { places, lengths, keys, flags } = page
  const statuses = output.length - places.length
  let start = 0
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number
    const input = opening.inputs[place] as OpenInput
    const end = start + (lengths[i] as number)
    const status = output[statuses + i] as number
    const mayRead = status !== STATUS.failed && ofItsSubject(keys[i] as DataKey | SubjectKey, input)
    const padded = ((flags[i] as number) & PADDED) !== 0
    let value: unknown
    if (!mayRead) value = undefined
    else if (opening.as === 'unlocked') value = true
    else if (
      status === STATUS.doneAscii &&
      !padded &&
      isText(opening.as, input.field, output, start)
    ) {
      value = output.toString('latin1', start + 1, end)
    } else value = contentOf(input.field, padded, output.subarray(start, end))?.[opening.as]
    opening.results[place] = value === undefined ? decryptionFailed(input.field.name) : value
    start = end
  }
}

/** Whether a plaintext is a string as its field has it, of which no copy is needed before it is read. */
function isText(as: OpenAs, { type }: FieldContext, output: Buffer, start: number): boolean {
  return type === 'string' && as === 'value' && output[start] === TYPE_BYTES.string
}

/** Step 9. */
function ofItsSubject(key: DataKey | SubjectKey, { subjectRef }: OpenInput): boolean {
  return !('subjectRef' in key) || sameSubject(key.subjectRef, subjectRef)
}
