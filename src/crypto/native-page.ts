import type { NativeAddon, Operation, PageArguments } from './native'
import { KEY_BYTES, type SecretKey } from './secret-key'

const ID_BYTES = 8
const KEY_ENTRY_BYTES = ID_BYTES + KEY_BYTES
/** Words of the index for each value; see native/page.h. */
const WORDS = 6
/**
 * What one page may hold: some 0.4 ms of work. More is worked on as several pages at once, each on a
 * thread of its own; smaller ones would spend too much on changing threads.
 */
export const PAGE_VALUES = 512
export const PAGE_BYTES: number = 1 << 19

/** What a page knows of one key: the key id that envelopes name, and the key. */
export interface PageKey {
  /** 8 bytes; ignored for tokens. */
  readonly idBytes: Uint8Array
  readonly key: SecretKey
}

/** Where in the page's input one value is, and what it is worked on with. */
export interface PageValue {
  /** From {@link NativePage.keyIndex}. */
  readonly key: number
  /** From {@link NativePage.fieldIndex}; when rewrapping the key to move to. */
  readonly field: number
  readonly value: Uint8Array
  /** Where the field is row-bound. */
  readonly rowId?: Uint8Array | undefined
  /** When sealing: where the record's DEK is in the input. */
  readonly dek?: number
}

/** What a page is collected in. */
interface PageMemory {
  readonly index: Uint32Array
  readonly input: Buffer
}

/** Pages take turns at it, because the addon copies a page before it returns. */
let spare: PageMemory | undefined
const SPARE_INPUT_BYTES = 1 << 17

function takeMemory(values: number, inputBytes: number): PageMemory {
  const memory = spare
  const fits = memory && memory.index.length >= values * WORDS && memory.input.length >= inputBytes
  if (!fits) {
    return {
      index: new Uint32Array(Math.max(values, PAGE_VALUES) * WORDS),
      input: Buffer.allocUnsafeSlow(Math.max(inputBytes, SPARE_INPUT_BYTES)),
    }
  }
  spare = undefined
  return memory
}

function giveBack(memory: PageMemory): void {
  if (memory.input.length <= PAGE_BYTES) spare = memory
}

/**
 * Collects one page for the addon in flat memory: crossing into C costs per argument, not per byte.
 *
 * Holds key bytes only while it runs, and zeroes them and its input then.
 */
export class NativePage {
  readonly #addon: NativeAddon
  readonly #operation: Operation
  readonly #info: Uint8Array
  readonly #memory: PageMemory
  readonly #keys = new Map<SecretKey, { index: number; idBytes: Uint8Array }>()
  readonly #fields = new Map<Uint8Array, number>()
  #count = 0
  #used = 0

  /**
   * @param info - what the record keys of the page's domain are derived from; empty for tokens
   * @param values - how many values are added, at most
   * @param inputBytes - of the values, row ids and DEKs together, at most
   */
  constructor(
    addon: NativeAddon,
    operation: Operation,
    info: Uint8Array,
    values: number,
    inputBytes: number,
  ) {
    this.#addon = addon
    this.#operation = operation
    this.#info = info
    this.#memory = takeMemory(values, inputBytes)
  }

  /** The number of a key in this page. */
  keyIndex({ key, idBytes }: PageKey): number {
    const known = this.#keys.get(key)
    if (known) return known.index
    const index = this.#keys.size
    this.#keys.set(key, { index, idBytes })
    return index
  }

  /**
   * The number of a field in this page.
   *
   * @param entry - u8(flags) | IV | u16(length of AAD) | AAD; the same object for the same field
   */
  fieldIndex(entry: Uint8Array): number {
    const known = this.#fields.get(entry)
    if (known !== undefined) return known
    const index = this.#fields.size
    this.#fields.set(entry, index)
    return index
  }

  /** Takes memory of the input that the caller fills, and that is zeroed when the page has run. */
  reserve(bytes: number): { readonly offset: number; readonly memory: Buffer } {
    const offset = this.#used
    this.#used += bytes
    return { offset, memory: this.#memory.input.subarray(offset, this.#used) }
  }

  add({ key, field, value, rowId, dek = 0 }: PageValue): void {
    const { index, input } = this.#memory
    const at = this.#count++ * WORDS
    index[at] = key
    index[at + 1] = field
    index[at + 2] = this.#used
    index[at + 3] = value.length
    index[at + 4] = rowId?.length ?? 0
    index[at + 5] = dek
    input.set(value, this.#used)
    this.#used += value.length
    if (rowId === undefined) return
    input.set(rowId, this.#used)
    this.#used += rowId.length
  }

  /** How many values were added. */
  get count(): number {
    return this.#count
  }

  /**
   * Works on the page: at once where it is a small one alone, else beside the event loop. Once only.
   *
   * @param alone - whether no other page is worked on for the same caller
   * @returns what the operation gives for all values, one after the other
   */
  run(alone: boolean): Buffer | Promise<Buffer> {
    return alone && this.#used <= PAGE_BYTES ? this.runNow() : this.#with(this.#addon.runAsync)
  }

  /** {@link NativePage.run} for those who cannot wait. */
  runNow(): Buffer {
    return this.#with(this.#addon.run)
  }

  #with<T>(run: (...page: PageArguments) => T): T {
    const keys = this.#keyTable()
    const fields = Buffer.concat([...this.#fields.keys()])
    const index = this.#memory.index.subarray(0, this.#count * WORDS)
    const input = this.#memory.input.subarray(0, this.#used)
    try {
      return run(this.#operation, keys, this.#info, fields, index, input)
    } finally {
      keys.fill(0)
      input.fill(0)
      giveBack(this.#memory)
    }
  }

  #keyTable(): Buffer {
    const table = Buffer.allocUnsafeSlow(this.#keys.size * KEY_ENTRY_BYTES)
    let at = 0
    for (const [key, { idBytes }] of this.#keys) {
      const bytes = key.export()
      table.set(idBytes, at)
      bytes.copy(table, at + ID_BYTES)
      bytes.fill(0)
      at += KEY_ENTRY_BYTES
    }
    return table
  }
}
