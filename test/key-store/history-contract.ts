import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/key-store/store'
import type { StorePlace } from './contract'
import { someKey } from './records'

/** What every key store does alike with the history of a domain. */
export function describeHistoryStore(name: string, place: StorePlace): void {
  describe(`${name} as a store of history`, () => {
    let open: () => KeyStore
    let store: KeyStore

    beforeEach(async () => {
      open = await place()
      store = open()
    })

    const all = (domain = 'default') => open().loadHistory(domain, { after: 0, limit: 1000 })

    it('chains records by checksums that anybody can compute', async () => {
      const record = `{"a":"'\\"\\\\\u00e9\\u0000 \u{1F511}"}`
      const first = await store.appendHistory('default', { id: 'a begun', record })
      const second = await store.appendHistory('default', { id: 'a ended', record: '' })
      const sha = (...values: unknown[]) =>
        createHash('sha256')
          .update(JSON.stringify(['mortise/history/1', 'default', ...values]))
          .digest('hex')
      expect(first).toEqual({
        ...{ sequence: 1, id: 'a begun', record },
        checksum: sha('0'.repeat(64), 1, 'a begun', record),
      })
      expect(second).toMatchObject({ sequence: 2, checksum: sha(first.checksum, 2, 'a ended', '') })
      expect(await all()).toEqual([first, second])
    })

    it('keeps the first of two records with one id', async () => {
      const first = await store.appendHistory('default', { id: 'job 7', record: 'one' })
      await store.appendHistory('default', { id: 'job 8', record: 'other' })
      expect(await open().appendHistory('default', { id: 'job 7', record: 'two' })).toEqual(first)
      expect(await all()).toHaveLength(2)
    })

    it('has a chain for each domain, and leaves epochs alone', async () => {
      await store.insertKey({ key: someKey(), demote: null })
      await store.appendHistory('default', { id: 'x', record: 'r' })
      const other = await store.appendHistory('other', { id: 'x', record: 'r' })
      expect(other.sequence).toBe(1)
      expect(other.checksum).not.toBe((await all())[0]?.checksum)
      expect(await store.loadEpoch('default')).toBe(1)
      expect(await store.loadEpoch('other')).toBe(0)
    })

    it('is one chain, whoever writes at the same time', async () => {
      const ids = Array.from({ length: 8 }, (_, i) => `job ${i % 6}`)
      await Promise.all(ids.map((id) => open().appendHistory('default', { id, record: id })))
      const links = await all()
      expect(links.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6])
      expect(new Set(links.map(({ id }) => id)).size).toBe(6)
    })

    it('is read in pages', async () => {
      for (const id of ['a', 'b', 'c']) await store.appendHistory('default', { id, record: id })
      const page = async (after: number, limit: number) =>
        (await store.loadHistory('default', { after, limit })).map(({ id }) => id)
      expect(await page(0, 2)).toEqual(['a', 'b'])
      expect(await page(2, 2)).toEqual(['c'])
      expect(await page(3, 2)).toEqual([])
    })
  })
}
