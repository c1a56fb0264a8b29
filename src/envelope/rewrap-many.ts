import { asBuffer } from '../bytes'
import { type NativeAddon, nativeAddon, OPERATIONS, STATUS } from '../crypto/native'
import { NativePage, PAGE_VALUES } from '../crypto/native-page'
import { isMortiseError, type MortiseError } from '../errors'
import type { DataKey, ProviderDeks, ProviderKey } from '../keys/access'
import { HEAD_BYTES, KEY_BLOCK_BYTES, WRAP_OFFSET } from './format'
import { attempt, attemptAsync, ofOneValue } from './one-value'
import { decryptionFailed, keyNameOf } from './open'
import { recordInfo } from './record-key'
import { rewrapKeyBlock, rewrapKeyBlockByProvider } from './rewrap'
import { inLanes, inSlices } from './slices'

/** The keys between which the values of a page move. */
export interface MovingKeys {
  readonly target: DataKey | ProviderKey
  /**
   * The key that an envelope names.
   *
   * @returns null where the envelope needs no rewrap: it is under the target key, or a newer one
   * @throws ERR_KEY_NOT_FOUND, ERR_KEY_STATE, ERR_KEY_INTEGRITY where that key cannot be used
   */
  source(keyId: string, kind: 'data' | 'provider'): Source | null
}

type Source = DataKey | ProviderDeks

/** What takes the place of a head's key block; null where nothing is to be done. */
export type NewKeyBlock = Buffer | MortiseError | null

/**
 * `rewrapKeyBlock` for the heads of a page: natively and beside the event loop, or in JavaScript in
 * slices that let it go on; a provider is called once for each record where it wraps DEKs itself.
 *
 * @param heads - an envelope's magic to commitment each, those of one row one after the other; null for
 *   NULL
 * @returns for each head its new key block, one object for heads that are one, or what is wrong with it; null where it is null, where it is
 *   current, and under the key of a subject, which is what moves then
 * @throws what is wrong with the provider rather than with a value
 * @see docs/format.md "Rewrap"
 */
export async function rewrapKeyBlocks(
  heads: readonly (Uint8Array | null)[],
  keys: MovingKeys,
): Promise<NewKeyBlock[]> {
  const { target } = keys
  const sourceOf = rememberedSources(keys)
  if ('wrapDek' in target) return byProvider(heads, sourceOf, target)
  const native = nativeAddon()
  if (native !== null) return natively(native, heads, sourceOf, target)
  return inJavaScript(heads, sourceOf, target)
}

type SourceOf = (head: Uint8Array) => Source | null

/** The values of a page name few keys: each is looked up once. */
function rememberedSources(keys: MovingKeys): SourceOf {
  const known = new Map<string, Source | MortiseError | null>()
  return (head) => {
    const prefix = asBuffer(head).toString('latin1', 0, WRAP_OFFSET)
    let source = known.get(prefix)
    if (source === undefined) {
      source = attempt(() => sourceNamedBy(head, keys))
      known.set(prefix, source)
    }
    if (isMortiseError(source)) throw source
    return source
  }
}

function sourceNamedBy(head: Uint8Array, keys: MovingKeys): Source | null {
  const { id, kind } = keyNameOf(head)
  return kind === 'subject' ? null : keys.source(id, kind)
}

/** What is rewrapped natively, and into what. */
interface Rewrapping {
  readonly addon: NativeAddon
  readonly heads: readonly (Uint8Array | null)[]
  readonly sourceOf: SourceOf
  readonly target: DataKey
  readonly blocks: NewKeyBlock[]
}

async function natively(
  addon: NativeAddon,
  heads: readonly (Uint8Array | null)[],
  sourceOf: SourceOf,
  target: DataKey,
): Promise<NewKeyBlock[]> {
  const blocks = new Array<NewKeyBlock>(heads.length).fill(null)
  const pages = Array.from({ length: Math.ceil(heads.length / PAGE_VALUES) }, (_, i) => i)
  await inLanes(pages, (page) =>
    rewrapPage({ addon, heads, sourceOf, target, blocks }, page * PAGE_VALUES),
  )
  return blocks
}

async function rewrapPage(
  { addon, heads, sourceOf, target, blocks }: Rewrapping,
  from: number,
): Promise<void> {
  const to = Math.min(from + PAGE_VALUES, heads.length)
  const [{ rewrap }, info] = [OPERATIONS, recordInfo(target.domain)]
  const page = new NativePage(addon, rewrap, info, to - from, (to - from) * HEAD_BYTES)
  const field = page.keyIndex({ idBytes: target.idBytes, key: target.dekWrapKey })
  const places: number[] = []
  for (let place = from; place < to; place++) {
    const head = heads[place] ?? null
    if (head === null) continue
    try {
      const source = sourceOf(head)
      if (source === null) continue
      if (!isMovedNatively(head, source, target)) {
        blocks[place] = rewrapKeyBlock(head, source, target)
        continue
      }
      const key = page.keyIndex({ idBytes: source.idBytes, key: source.dekWrapKey })
      page.add({ key, field, value: head })
      places.push(place)
    } catch (error) {
      blocks[place] = ofOneValue(error)
    }
  }
  if (places.length === 0) return
  const output = await page.run(to - from === heads.length)
  takeBlocks(output, places, heads, blocks)
}

/** Heads that are one object get one block. */
function takeBlocks(
  output: Buffer,
  places: readonly number[],
  heads: Rewrapping['heads'],
  blocks: NewKeyBlock[],
): void {
  const statuses = output.length - places.length
  places.forEach((place, i) => {
    const before = places[i - 1]
    if (before !== undefined && heads[before] === heads[place]) {
      blocks[place] = blocks[before] as NewKeyBlock
      return
    }
    const isDone = output[statuses + i] !== STATUS.failed
    blocks[place] = isDone
      ? output.subarray(i * KEY_BLOCK_BYTES, (i + 1) * KEY_BLOCK_BYTES)
      : decryptionFailed(undefined)
  })
}

/** What a provider wrapped is in this process already; what is of no length of a head is refused. */
function isMovedNatively(head: Uint8Array, source: Source, target: DataKey): source is DataKey {
  return !('deks' in source) && head.length === HEAD_BYTES && source.domain === target.domain
}

async function inJavaScript(
  heads: readonly (Uint8Array | null)[],
  sourceOf: SourceOf,
  target: DataKey,
): Promise<NewKeyBlock[]> {
  const blocks: NewKeyBlock[] = []
  let last: Uint8Array | null = null
  await inSlices(heads, (head) => {
    // Fields that were written together have equal heads: the work is done once for all of them.
    if (head && last && asBuffer(head).equals(last)) blocks.push(blocks.at(-1) as NewKeyBlock)
    else blocks.push(head && attempt(() => moved(head, sourceOf, target)))
    last = head
  })
  return blocks
}

function moved(head: Uint8Array, sourceOf: SourceOf, target: DataKey): Buffer | null {
  const source = sourceOf(head)
  return source && rewrapKeyBlock(head, source, target)
}

async function byProvider(
  heads: readonly (Uint8Array | null)[],
  sourceOf: SourceOf,
  target: ProviderKey,
): Promise<NewKeyBlock[]> {
  const blocks = new Map<string, Promise<NewKeyBlock>>()
  return Promise.all(
    heads.map((head) => {
      if (head === null) return null
      const text = asBuffer(head).toString('latin1')
      const known = blocks.get(text)
      if (known) return known
      const block = attemptAsync(async () => {
        const source = sourceOf(head)
        return source && rewrapKeyBlockByProvider(head, source, target)
      })
      blocks.set(text, block)
      return block
    }),
  )
}
