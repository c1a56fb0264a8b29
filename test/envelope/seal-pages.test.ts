import { expect, test } from 'vitest'
import type { NativeAddon } from '../../src/crypto/native'
import { PAGE_BYTES } from '../../src/crypto/native-page'
import { OVERHEAD_BYTES } from '../../src/envelope/format'
import { sealPages } from '../../src/envelope/seal-pages'
import { testField, testKey } from './keys'

/** Seals nothing, and notes the input of each page. */
function notingAddon(): { addon: NativeAddon; inputs: number[] } {
  const inputs: number[] = []
  const run: NativeAddon['run'] = (_operation, _keys, _info, _fields, index, input) => {
    inputs.push(input.length)
    const lengths = Array.from({ length: index.length / 6 }, (_, i) => index[i * 6 + 3] as number)
    return Buffer.alloc(lengths.reduce((sum, length) => sum + length + OVERHEAD_BYTES, 0))
  }
  return { addon: { version: 1, run, runAsync: async (...page) => run(...page) }, inputs }
}

test('pages of long values have few of them: all of a page is in memory at once, and two gigabytes are refused', async () => {
  const { addon, inputs } = notingAddon()
  const bytes = Buffer.alloc(PAGE_BYTES / 4)
  const value = { field: testField(), flags: 0, bytes, rowId: undefined }
  const records = Array.from({ length: 21 }, () => ({ key: testKey('a'), values: [value] }))
  const sealed = await sealPages(addon, records, (memory) => memory.fill(1))
  expect(inputs).toEqual([4, 4, 4, 4, 4, 1].map((values) => values * (bytes.length + 32)))
  expect(sealed.flat().map(({ length }) => length)).toEqual(
    records.map(() => bytes.length + OVERHEAD_BYTES),
  )
})
