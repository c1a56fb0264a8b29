import { asBuffer } from '../bytes'
import { keyNameOf } from '../envelope/open'
import { rewrapKeyBlock } from '../envelope/rewrap'
import { isMortiseError, type MortiseError, type MortiseErrorCode } from '../errors'
import type { PageKeys } from './rewrap-keys'

/** A row as it was read: its primary key as text, and the head of each encrypted column. */
export interface HeadRow {
  readonly key: readonly string[]
  /** 82 bytes; empty for what cannot be an envelope; null for NULL. */
  readonly heads: readonly (Buffer | null)[]
}

/** A row as it is to be written: null for the columns that stay. */
export interface ReplacedRow {
  readonly key: readonly string[]
  readonly columns: readonly ({ readonly head: Buffer; readonly block: Buffer } | null)[]
}

/** A value that could not be rewrapped. */
export interface FailedValue {
  readonly key: readonly string[]
  /** Position of the column. */
  readonly column: number
  readonly code: MortiseErrorCode
}

/** A page after the work that needs keys. */
export interface RewrappedPage {
  readonly rows: readonly ReplacedRow[]
  /** Number of values in `rows`. */
  readonly values: number
  readonly failed: readonly FailedValue[]
}

/** Takes a row of the page statement apart. */
export function headRow(
  row: Readonly<Record<string, unknown>>,
  keyColumns: number,
  columns: number,
): HeadRow {
  const head = (value: unknown): Buffer | null => (value ? asBuffer(value as Uint8Array) : null)
  return {
    key: Array.from({ length: keyColumns }, (_, i) => String(row[`k${i + 1}`])),
    heads: Array.from({ length: columns }, (_, i) => head(row[`h${i + 1}`])),
  }
}

/** The key ids that the envelopes of a page name. */
export function keyIdsOf(rows: readonly HeadRow[]): ReadonlySet<string> {
  const ids = new Set<string>()
  for (const head of rows.flatMap(({ heads }) => heads)) {
    const name = head === null ? null : attempt(() => keyNameOf(head))
    if (name !== null && 'kind' in name && name.kind === 'data') ids.add(name.id)
  }
  return ids
}

/**
 * Wraps the DEKs of a page under its target key. Synchronous; no value is decrypted, and every
 * commitment is verified.
 */
export function rewrapPage(rows: readonly HeadRow[], keys: PageKeys): RewrappedPage {
  const rewrapHead = headRewrapper(keys)
  const replaced: ReplacedRow[] = []
  const failed: FailedValue[] = []
  let values = 0
  for (const { key, heads } of rows) {
    const columns = heads.map((head, column) => {
      if (head === null) return null
      const block = attempt(() => rewrapHead(head))
      if (Buffer.isBuffer(block)) return { head, block }
      if (block !== null) failed.push({ key, column, code: block.code })
      return null
    })
    const count = columns.filter((column) => column !== null).length
    if (count > 0) replaced.push({ key, columns })
    values += count
  }
  return { rows: replaced, values, failed }
}

/** Fields that were written together have equal heads: the work is done once for all of them. */
function headRewrapper(keys: PageKeys): (head: Buffer) => Buffer | null {
  let last: { readonly head: Buffer; readonly block: Buffer | null } | undefined
  return (head) => {
    if (last === undefined || !last.head.equals(head)) {
      last = { head, block: rewrapHead(head, keys) }
    }
    return last.block
  }
}

/** @returns null where nothing is to be done: under a subject key, it is that key that is rewrapped */
function rewrapHead(head: Buffer, keys: PageKeys): Buffer | null {
  const { id, kind } = keyNameOf(head)
  if (kind === 'subject') return null
  const source = keys.source(id)
  return source && rewrapKeyBlock(head, source, keys.target)
}

/** What is wrong with one value must not end the work on the others. */
function attempt<T>(work: () => T): T | MortiseError {
  try {
    return work()
  } catch (error) {
    if (isMortiseError(error)) return error
    throw error
  }
}
