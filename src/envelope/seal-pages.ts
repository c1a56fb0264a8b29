import { type NativeAddon, OPERATIONS } from '../crypto/native'
import { NativePage, PAGE_BYTES, PAGE_VALUES } from '../crypto/native-page'
import { KEY_BYTES } from '../crypto/secret-key'
import type { DataKey, SealingKey, SubjectKey } from '../keys/access'
import type { FieldContext } from './field-context'
import { OVERHEAD_BYTES } from './format'
import { recordInfo } from './record-key'
import { inLanes } from './slices'

/** A value that can be sealed: checked, compressed and padded. */
export interface Plaintext {
  readonly field: FieldContext
  readonly flags: number
  readonly bytes: Uint8Array
  /** Where the field is row-bound. */
  readonly rowId: Uint8Array | undefined
}

/** Values that are sealed under one DEK. */
export interface PreparedRecord<Key extends SealingKey = DataKey | SubjectKey> {
  readonly key: Key
  readonly values: readonly Plaintext[]
}

/**
 * Seals records natively. The bytes are those that JavaScript makes of the same DEKs.
 *
 * @param drawDeks - fills memory with as many fresh DEKs as fit it
 * @returns the envelopes of each record; those of one page share their memory
 */
export async function sealPages(
  addon: NativeAddon,
  records: readonly PreparedRecord[],
  drawDeks: (memory: Buffer) => void,
): Promise<Buffer[][]> {
  const sealed = new Map<PreparedRecord, Buffer[]>()
  const pages = pagesOf(records)
  await inLanes(pages, async (page) => {
    const native = nativePage(addon, page, drawDeks)
    takeApart(await native.run(pages.length === 1), page.records, sealed)
  })
  return records.map((record) => sealed.get(record) as Buffer[])
}

/** Records of one domain, which have the same info. */
interface RecordPage {
  readonly domain: string
  readonly records: PreparedRecord[]
  values: number
  /** Of plaintexts and row ids. */
  bytes: number
}

/** A record is not divided. */
function pagesOf(records: readonly PreparedRecord[]): RecordPage[] {
  const pages: RecordPage[] = []
  for (const record of records) {
    const { domain } = record.key
    let page = pages.at(-1)
    if (page?.domain !== domain || page.values >= PAGE_VALUES || page.bytes >= PAGE_BYTES) {
      page = { domain, records: [], values: 0, bytes: 0 }
      pages.push(page)
    }
    page.records.push(record)
    page.values += record.values.length
    page.bytes += bytesOf(record)
  }
  return pages
}

function bytesOf({ values }: PreparedRecord): number {
  return values.reduce((sum, { bytes, rowId }) => sum + bytes.length + (rowId?.length ?? 0), 0)
}

function nativePage(
  addon: NativeAddon,
  { domain, records, values: count, bytes }: RecordPage,
  drawDeks: (memory: Buffer) => void,
): NativePage {
  const dekBytes = records.length * KEY_BYTES
  const info = recordInfo(domain)
  const page = new NativePage(addon, OPERATIONS.seal, info, count, dekBytes + bytes)
  const deks = page.reserve(dekBytes)
  drawDeks(deks.memory)
  records.forEach(({ key: { idBytes, dekWrapKey }, values }, record) => {
    const key = page.keyIndex({ idBytes, key: dekWrapKey })
    const dek = deks.offset + record * KEY_BYTES
    for (const { field, bytes: value, rowId } of values) {
      page.add({ key, field: page.fieldIndex(field.native), value, rowId, dek })
    }
  })
  return page
}

function takeApart(
  envelopes: Buffer,
  records: readonly PreparedRecord[],
  into: Map<PreparedRecord, Buffer[]>,
): void {
  let at = 0
  for (const record of records) {
    const ofRecord = record.values.map(({ bytes }) => {
      const begin = at
      at += bytes.length + OVERHEAD_BYTES
      return envelopes.subarray(begin, at)
    })
    into.set(record, ofRecord)
  }
}
