import { asBuffer } from '../bytes'
import { parseHead } from '../envelope/format'
import { keyNameOf } from '../envelope/open'
import { rewrapKeyBlock, rewrapKeyBlockByProvider } from '../envelope/rewrap'
import type { MortiseError, MortiseErrorCode } from '../errors'
import type { SourceRow } from './job/table-task'
import { attempt, attemptAsync } from './one-value'
import type { PageKeys, PageRequest } from './rewrap-keys'

/** A row as it was read: its primary key as text, and the head of each encrypted column. */
export interface HeadRow {
  readonly key: readonly string[]
  /** Magic to commitment; empty for what cannot be an envelope; null for NULL. */
  readonly heads: readonly (Buffer | null)[]
}

/** A row as it is to be written: null for the columns that stay. */
interface RewrappedRow {
  readonly key: readonly string[]
  readonly columns: readonly ({ readonly head: Buffer; readonly block: Buffer } | null)[]
}

/** A value that could not be rewrapped. */
interface FailedHead {
  readonly key: readonly string[]
  /** Position of the column. */
  readonly column: number
  readonly code: MortiseErrorCode
}

/** A page after the work that needs keys. */
export interface RewrappedPage {
  readonly rows: readonly RewrappedRow[]
  /** Number of values in `rows`. */
  readonly values: number
  readonly failed: readonly FailedHead[]
}

/** The heads of a row that was read by `staleHeads`. */
export function headRow({ key, values }: SourceRow, columns: number): HeadRow {
  const head = (value: unknown): Buffer | null => (value ? asBuffer(value as Uint8Array) : null)
  return { key, heads: Array.from({ length: columns }, (_, i) => head(values[`h${i + 1}`])) }
}

/** What the envelopes of a page name that are neither current nor under the key of a subject. */
export function requestOf(
  rows: readonly HeadRow[],
  isCurrent: (keyId: string) => boolean,
): PageRequest {
  const data = new Set<string>()
  const provider = new Map<string, Map<string, Uint8Array>>()
  for (const head of rows.flatMap(({ heads }) => heads)) {
    if (head === null) continue
    const name = attempt(() => keyNameOf(head))
    if (!('kind' in name) || isCurrent(name.id)) continue
    if (name.kind === 'data') data.add(name.id)
    if (name.kind === 'provider') noteDek(provider, name.id, head)
  }
  return { data, provider }
}

function noteDek(provider: Map<string, Map<string, Uint8Array>>, id: string, head: Buffer): void {
  const parts = attempt(() => parseHead(head))
  if (!('wrappedDek' in parts)) return
  const deks = provider.get(id) ?? new Map<string, Uint8Array>()
  provider.set(id, deks.set(parts.wrappedDek.toString('latin1'), parts.wrappedDek))
}

/**
 * Wraps the DEKs of a page under its target key: synchronous work, except that a provider is called
 * once for each record where it wraps DEKs itself. No value is decrypted, and every commitment is
 * verified.
 *
 * @throws what is wrong with the provider rather than with a value
 */
export async function rewrapPage(rows: readonly HeadRow[], keys: PageKeys): Promise<RewrappedPage> {
  const blocks = await blocksOf(rows, keys)
  const replaced: RewrappedRow[] = []
  const failed: FailedHead[] = []
  let values = 0
  for (const { key, heads } of rows) {
    const columns = heads.map((head, column) => {
      const block = head === null ? null : (blocks.get(head.toString('latin1')) ?? null)
      if (head === null || block === null) return null
      if (Buffer.isBuffer(block)) return { head, block }
      failed.push({ key, column, code: block.code })
      return null
    })
    const count = columns.filter((column) => column !== null).length
    if (count > 0) replaced.push({ key, columns })
    values += count
  }
  return { rows: replaced, values, failed }
}

/** The new key block of a head; null where nothing is to be done. */
type Block = Buffer | MortiseError | null

/** Fields that were written together have equal heads: the work is done once for all of them. */
async function blocksOf(
  rows: readonly HeadRow[],
  keys: PageKeys,
): Promise<ReadonlyMap<string, Block>> {
  const heads = new Map<string, Buffer>()
  for (const head of rows.flatMap((row) => row.heads)) {
    if (head !== null) heads.set(head.toString('latin1'), head)
  }
  const { target } = keys
  const blocks = new Map<string, Block>()
  if (!('wrapDek' in target)) {
    for (const [text, head] of heads) {
      const rewrap = (source: Source): Buffer => rewrapKeyBlock(head, source, target)
      blocks.set(
        text,
        attempt(() => rewrapHead(head, keys, rewrap)),
      )
    }
    return blocks
  }
  await Promise.all(
    [...heads].map(async ([text, head]) => {
      const rewrap = (source: Source) => rewrapKeyBlockByProvider(head, source, target)
      blocks.set(text, await attemptAsync(async () => rewrapHead(head, keys, rewrap)))
    }),
  )
  return blocks
}

type Source = NonNullable<ReturnType<PageKeys['source']>>

/** @returns null where nothing is to be done: under a subject key, it is that key that is rewrapped */
function rewrapHead<T>(head: Buffer, keys: PageKeys, rewrap: (source: Source) => T): T | null {
  const { id, kind } = keyNameOf(head)
  if (kind === 'subject') return null
  const source = keys.source(id, kind)
  return source && rewrap(source)
}
