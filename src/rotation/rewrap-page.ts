import { asBuffer } from '../bytes'
import { parseHead, WRAP_OFFSET } from '../envelope/format'
import { attempt } from '../envelope/one-value'
import { keyNameOf } from '../envelope/open'
import type { NewKeyBlock } from '../envelope/rewrap-many'
import type { MortiseErrorCode } from '../errors'
import type { RowKey } from './job/key-columns'
import type { ParameterRow } from './job/page-parameters'
import type { SourceRow } from './job/table-task'
import type { PageRequest } from './rewrap-keys'

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

/**
 * The heads of rows that were read by `staleHeads`: magic to commitment; empty for what cannot be an
 * envelope.
 */
export function headsOf(rows: readonly SourceRow[], columns: number): PageHeads {
  const names = Array.from({ length: columns }, (_, i) => `h${i + 1}`)
  const heads: (Buffer | null)[] = []
  for (const { values } of rows) {
    for (const name of names) {
      const head = values[name] as Uint8Array | null
      heads.push(head && asBuffer(head))
    }
  }
  return heads
}

/** What the envelopes of a page name that are neither current nor under the key of a subject. */
export function requestOf(heads: PageHeads, isCurrent: (keyId: string) => boolean): PageRequest {
  const data = new Set<string>()
  const provider = new Map<string, Map<string, Uint8Array>>()
  const seen = new Set<string>()
  for (const head of heads) {
    const prefix = head?.toString('latin1', 0, WRAP_OFFSET)
    if (head === null || prefix === undefined || seen.has(prefix)) continue
    const name = attempt(() => keyNameOf(head))
    const isWanted = 'kind' in name && !isCurrent(name.id)
    if (isWanted && name.kind === 'data') data.add(name.id)
    if (isWanted && name.kind === 'provider') noteDek(provider, name.id, head)
    else seen.add(prefix)
  }
  return { data, provider }
}

function noteDek(provider: Map<string, Map<string, Uint8Array>>, id: string, head: Buffer): void {
  const parts = attempt(() => parseHead(head))
  if (!('wrappedDek' in parts)) return
  const deks = provider.get(id) ?? new Map<string, Uint8Array>()
  provider.set(id, deks.set(parts.wrappedDek.toString('latin1'), parts.wrappedDek))
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
