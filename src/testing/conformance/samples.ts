import { KEY_BYTES } from '../../crypto/secret-key'
import type { KeyContext } from '../../providers/provider'
import { randomBlob } from '../random'

/** A context that no rule treats as special. */
export const CONTEXT: KeyContext = {
  use: 'kek',
  domain: 'default',
  purpose: 'data',
  id: '00112233445566ff',
  version: 3,
}

/** Pairwise different, and each easily taken for another: by case, length, joining or overflow. */
export const CONTEXTS: readonly KeyContext[] = [
  CONTEXT,
  ...vary({ use: 'dek' }, { purpose: 'index' }),
  ...vary({ domain: 'Default' }, { domain: 'defaul' }, { domain: 'default.' }),
  // Parts that are only joined give one text for two of them.
  ...vary({ domain: 'a1', version: 2 }, { domain: 'a', version: 12 }, { domain: '2a', version: 1 }),
  // Cut to a fixed length, both are the same.
  ...vary({ domain: `${'d'.repeat(63)}1` }, { domain: `${'d'.repeat(63)}2` }),
  ...vary({ domain: '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~' }),
  ...vary({ id: '00112233445566fe' }, { id: '0000000000000000' }, { id: 'ffffffffffffffff' }),
  ...vary({ version: 1 }, { version: 257 }, { version: 65_539 }, { version: 0xffff_ffff }),
]

/** A fresh key. */
export function sampleKey(): Buffer {
  return randomBlob(KEY_BYTES)
}

/** A copy with one bit of one byte changed. */
export function withFlippedBit(bytes: Uint8Array, offset: number, bit: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[offset] = (changed[offset] as number) ^ (1 << bit)
  return changed
}

/** A context in words, for messages. */
export function describeContext({ use, domain, purpose, id, version }: KeyContext): string {
  return `(use ${use}, domain ${domain}, purpose ${purpose}, id ${id}, version ${version})`
}

function vary(...changes: readonly Partial<KeyContext>[]): KeyContext[] {
  return changes.map((change) => ({ ...CONTEXT, ...change }))
}
