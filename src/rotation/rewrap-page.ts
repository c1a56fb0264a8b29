import { asBuffer } from '../bytes'
import { createKeyRequest } from '../envelope/key-request'
import { ofOneValue } from '../envelope/one-value'
import type { NewKeyBlock } from '../envelope/rewrap-many'
import type { MortiseErrorCode } from '../errors'
import type { KeyRequest } from '../keys/access'
import type { RowKey } from './job/key-columns'
import type { ParameterRow } from './job/page-parameters'
import type { SourceRow } from './job/table-task'

/** The heads of a page, all columns of one row after the other; null for NULL. */
export type PageHeads = readonly (Buffer | null)[]

/** A value that could not be rewrapped. */
interface FailedHead {
  readonly key: RowKey
  /** Position of the column. */
  readonly column: number
  readonly code: MortiseErrorCode
}

/** A page after the work that needs keys. */
export interface RewrappedPage {
  /** With a head and its new key block for each column; null for the columns that stay. */
  readonly rows: readonly ParameterRow[]
  /** Number of values in `rows`. */
  readonly values: number
  readonly failed: readonly FailedHead[]
}

/** Of a head: it is that of the column before. */
const SAME_HEAD_BYTES = 1

/**
 * The heads of rows that were read by `staleHeads`: magic to commitment; empty for what cannot be an
 * envelope. Heads of a row that follow each other and are equal are one object.
 */
export function headsOf(rows: readonly SourceRow[], columns: number): PageHeads {
  const names = Array.from({ length: columns }, (_, i) => `h${i + 1}`)
  const heads: (Buffer | null)[] = []
  for (const { values } of rows) {
    for (const name of names) {
      const head = values[name] as Uint8Array | null
      heads.push(head?.length === SAME_HEAD_BYTES ? (heads.at(-1) ?? null) : head && asBuffer(head))
    }
  }
  return heads
}

/** What the envelopes of a page name. */
export function requestOf(heads: PageHeads): KeyRequest {
  const needed = createKeyRequest()
  for (const head of heads) {
    if (head === null) continue
    try {
      needed.addHead(head)
    } catch (error) {
      // What is no envelope names no key; its turn to fail comes.
      ofOneValue(error)
    }
  }
  return needed.request
}

/** What is to be written of a page, and what is not. */
export function rewrappedPage(
  rows: readonly SourceRow[],
  heads: PageHeads,
  blocks: readonly NewKeyBlock[],
): RewrappedPage {
  const columns = heads.length / rows.length
  const replaced: ParameterRow[] = []
  const failed: FailedHead[] = []
  let values = 0
  rows.forEach(({ key }, at) => {
    const parameters: (Buffer | null)[] = []
    const before = values
    for (let column = 0; column < columns; column++) {
      const block = blocks[at * columns + column] ?? null
      if (Buffer.isBuffer(block)) {
        parameters.push(heads[at * columns + column] as Buffer, block)
        values++
        continue
      }
      parameters.push(null, null)
      if (block !== null) failed.push({ key, column, code: block.code })
    }
    if (values > before) replaced.push({ key, parameters })
  })
  return { rows: replaced, values, failed }
}
