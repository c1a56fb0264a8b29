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
    const native = pageOf(addon, page, drawDeks)
    takeApart(await native.run(pages.length === 1), page, sealed)
  })
  return records.map((record) => sealed.get(record) as Buffer[])
}

/** Records of one domain, which have the same info; a record is not divided. */
function pagesOf(records: readonly PreparedRecord[]): PreparedRecord[][] {
  const pages: PreparedRecord[][] = []
  let page: PreparedRecord[] = []
  let values = 0
  let bytes = 0
  for (const record of records) {
    const full = values >= PAGE_VALUES || bytes >= PAGE_BYTES
    if (page.length === 0 || full || page[0]?.key.domain !== record.key.domain) {
      page = []
      values = 0
      bytes = 0
      pages.push(page)
    }
    page.push(record)
    values += record.values.length
    bytes += bytesOf(record)
  }
  return pages
}

/** Of plaintexts and row ids. */
function bytesOf({ values }: PreparedRecord): number {
  return values.reduce((sum, { bytes, rowId }) => sum + bytes.length + (rowId?.length ?? 0), 0)
}

function pageOf(
  addon: NativeAddon,
  records: readonly PreparedRecord[],
  drawDeks: (memory: Buffer) => void,
): NativePage {
  const count = records.reduce((sum, { values }) => sum + values.length, 0)
  const bytes = records.reduce((sum, record) => sum + KEY_BYTES + bytesOf(record), 0)
  const info = recordInfo(records[0]?.key.domain ?? '')
  const page = new NativePage(addon, OPERATIONS.seal, info, count, bytes)
  const deks = page.reserve(records.length * KEY_BYTES)
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
