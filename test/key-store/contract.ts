import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { IndexRecord, KeyRecord, KeyStore } from '../../src/key-store/store'
import { someIndex, someKey, someTombstone } from './records'

/** Gives a new, empty place; each call of the result is another store over that place. */
export type StorePlace = () => Promise<() => KeyStore>

/** What every key store does alike, whatever it keeps its records in. */
export function describeKeyStore(name: string, place: StorePlace): void {
  describe(`${name} as a key store`, () => {
    let open: () => KeyStore
    let store: KeyStore

    beforeEach(async () => {
      open = await place()
      store = open()
    })

    const rotated = async (): Promise<[KeyRecord, KeyRecord]> => {
      const first = someKey()
      const second = someKey({ version: 2 })
      expect(await store.insertKey({ key: first, demote: null })).toBe(true)
      expect(await store.insertKey({ key: second, demote: first.id })).toBe(true)
      return [first, second]
    }

    it('is empty, at epoch 0, before its first write', async () => {
      expect(await store.loadKeys('default')).toEqual({ epoch: 0, keys: [] })
      expect(await store.loadEpoch('default')).toBe(0)
      expect(await store.loadIndexes('default')).toEqual([])
    })

    it('gives back every member of a key, also through another store', async () => {
      const createdAt = new Date('2026-01-02T03:04:05.678Z')
      const key = someKey({
        domain: `${'d'.repeat(60)}'"\\!`,
        kcv: Buffer.from([...Array(32).keys()]),
        wraps: [
          { providerUri: 'in-app:a', wrapped: randomBytes(40), createdAt },
          { providerUri: `pkcs11:token=t;object='o"`, wrapped: randomBytes(1024), createdAt },
        ],
      })
      expect(await store.insertKey({ key, demote: null })).toBe(true)
      const { epoch, keys } = await open().loadKeys(key.domain)
      expect(epoch).toBe(1)
      expect(keys).toEqual([{ ...key, epoch: 1 }])
    })

    it('keeps wraps in the order they were added', async () => {
      const at = (ms: number): Date => new Date(Date.UTC(2026, 0, 1) + ms)
      const wraps = ['z', 'm', 'a'].map((letter, index) => ({
        providerUri: `in-app:${letter}`,
        wrapped: randomBytes(40),
        createdAt: at(index),
      }))
      await store.insertKey({ key: someKey({ wraps }), demote: null })
      const { keys } = await store.loadKeys('default')
      expect(keys[0]?.wraps.map(({ providerUri }) => providerUri)).toEqual([
        'in-app:z',
        'in-app:m',
        'in-app:a',
      ])
    })

    it('demotes the previous key in the same step', async () => {
      const [first, second] = await rotated()
      const { epoch, keys } = await open().loadKeys('default')
      expect(epoch).toBe(2)
      expect(keys.map(({ id, state, epoch }) => ({ id, state, epoch }))).toEqual([
        { id: first.id, state: 'decrypt-only', epoch: 2 },
        { id: second.id, state: 'active', epoch: 2 },
      ])
      expect(keys[0]?.stateChangedAt.getTime()).toBeGreaterThan(first.stateChangedAt.getTime())
      expect(keys[0]?.createdAt).toEqual(first.createdAt)
    })

    it.each<[string, (first: KeyRecord, second: KeyRecord) => [KeyRecord, string | null]]>([
      ['a version that exists', (_a, b) => [someKey({ version: 2 }), b.id]],
      ['a version with a gap before it', (_a, b) => [someKey({ version: 4 }), b.id]],
      ['a first key where one exists', () => [someKey(), null]],
      ['a next version that demotes nothing', () => [someKey({ version: 3 }), null]],
      ['a next version that demotes another key', (a) => [someKey({ version: 3 }), a.id]],
      ['an id that exists', (a, b) => [someKey({ version: 3, id: a.id }), b.id]],
      ['an id of another purpose', (a) => [someKey({ id: a.id, purpose: 'index' }), null]],
      ['an id of another domain', (a) => [someKey({ id: a.id, domain: 'other' }), null]],
    ])('refuses %s and changes nothing', async (_what, make) => {
      const [first, second] = await rotated()
      const before = await store.loadKeys('default')
      const [key, demote] = make(first, second)
      expect(await store.insertKey({ key, demote })).toBe(false)
      expect(await open().loadKeys('default')).toEqual(before)
      expect(await store.loadEpoch('other')).toBe(0)
    })

    it('keeps domains and purposes apart', async () => {
      await rotated()
      const index = someKey({ purpose: 'index' })
      const other = someKey({ domain: 'other' })
      expect(await store.insertKey({ key: index, demote: null })).toBe(true)
      expect(await store.insertKey({ key: other, demote: null })).toBe(true)
      expect((await store.loadKeys('default')).keys).toHaveLength(3)
      expect(await store.loadKeys('other')).toEqual({ epoch: 1, keys: [{ ...other, epoch: 1 }] })
      expect(await store.loadEpoch('default')).toBe(3)
      expect(await store.loadKeys('Default')).toEqual({ epoch: 0, keys: [] })
    })

    it('changes a state only from the state that was expected', async () => {
      const [first, second] = await rotated()
      expect(await store.changeState(first.id, 'active', 'disabled')).toBe(false)
      expect(await store.changeState('ffffffffffffffff', 'active', 'disabled')).toBe(false)
      expect(await store.loadEpoch('default')).toBe(2)
      expect(await store.changeState(first.id, 'decrypt-only', 'disabled')).toBe(true)
      const { epoch, keys } = await open().loadKeys('default')
      expect(epoch).toBe(3)
      expect(keys.find(({ id }) => id === first.id)).toMatchObject({ state: 'disabled', epoch: 3 })
      expect(keys.find(({ id }) => id === second.id)).toMatchObject({ state: 'active', epoch: 2 })
    })

    describe('destroyKey', () => {
      const retired = async () => {
        const [first, second] = await rotated()
        const key = { ...first, state: 'decrypt-only' as const }
        return { key, second, tombstone: someTombstone({ id: first.id, actor: 'ops' }) }
      }

      it('removes all wraps and keeps a tombstone', async () => {
        const { key, second, tombstone } = await retired()
        expect(await store.destroyKey(key, tombstone)).toBe(true)
        const { epoch, keys } = await open().loadKeys('default')
        expect(epoch).toBe(3)
        const [gone, other] = keys as [KeyRecord, KeyRecord]
        expect(gone).toMatchObject({ id: key.id, state: 'destroyed', wraps: [], version: 1 })
        expect(gone.stateChangedAt.getTime()).toBeGreaterThan(key.stateChangedAt.getTime())
        expect(other.wraps).toEqual(second.wraps)
        expect(await open().loadTombstones('default')).toEqual([tombstone])
      })

      it('changes nothing where state or wraps are others by now', async () => {
        const { key, second, tombstone } = await retired()
        const before = await store.loadKeys('default')
        for (const other of [
          { ...key, state: 'disabled' as const },
          { ...key, wraps: second.wraps },
          { ...key, wraps: [] },
          { ...key, id: 'ffffffffffffffff' },
        ]) {
          expect(await store.destroyKey(other, { ...tombstone, id: other.id })).toBe(false)
        }
        expect(await store.loadKeys('default')).toEqual(before)
        expect(await store.loadTombstones('default')).toEqual([])
      })

      it('succeeds for one of many, and once', async () => {
        const { key, tombstone } = await retired()
        const done = await Promise.all(
          Array.from({ length: 4 }, () => open().destroyKey(key, tombstone)),
        )
        expect(done.filter(Boolean)).toHaveLength(1)
        expect(await store.destroyKey({ ...key, state: 'destroyed', wraps: [] }, tombstone)).toBe(
          true,
        )
        expect(await store.loadTombstones('default')).toEqual([tombstone])
      })

      it('holds for a key without material, which named one provider', async () => {
        const createdAt = new Date('2026-03-04T05:06:07.089Z')
        const wraps = [{ providerUri: 'aws-kms:x', wrapped: Buffer.alloc(0), createdAt }]
        const key = someKey({ kcv: Buffer.alloc(0), wraps, state: 'disabled' })
        await store.insertKey({ key, demote: null })
        expect(await store.destroyKey(key, someTombstone({ id: key.id }))).toBe(true)
        expect((await open().loadKeys('default')).keys).toMatchObject([
          { state: 'destroyed', wraps: [] },
        ])
      })

      it('leaves a tombstone that a key which comes back stays under', async () => {
        const [first] = await rotated()
        await store.destroySubjectKeys([someTombstone({ id: first.id })])
        const { keys } = await open().loadKeys('default')
        expect(keys[0]).toMatchObject({ id: first.id, state: 'destroyed', wraps: [] })
        expect(keys[1]).toMatchObject({ state: 'active' })
      })
    })

    it('never has two active keys', async () => {
      const [first] = await rotated()
      expect(await store.changeState(first.id, 'decrypt-only', 'active')).toBe(false)
      expect(await store.loadEpoch('default')).toBe(2)
    })

    it('lets exactly one of many writers make a version', async () => {
      const stores = Array.from({ length: 8 }, open)
      const firsts = await Promise.all(
        stores.map((one) => one.insertKey({ key: someKey(), demote: null })),
      )
      expect(firsts.filter(Boolean)).toHaveLength(1)
      const [first] = (await store.loadKeys('default')).keys
      const seconds = await Promise.all(
        stores.map((one) =>
          one.insertKey({ key: someKey({ version: 2 }), demote: first?.id ?? '' }),
        ),
      )
      expect(seconds.filter(Boolean)).toHaveLength(1)
      const { epoch, keys } = await store.loadKeys('default')
      expect(epoch).toBe(2)
      expect(keys.map(({ version, state }) => [version, state])).toEqual([
        [1, 'decrypt-only'],
        [2, 'active'],
      ])
    })

    it('raises the epoch once for every write, also by many writers', async () => {
      const keys = Array.from({ length: 6 }, (_, i) =>
        someKey({ purpose: i % 2 ? 'data' : 'index' }),
      )
      const names = Array.from({ length: 6 }, (_, i) => someIndex({ name: `t.f${i}` }))
      const done = await Promise.all([
        ...keys.map((key) => open().insertKey({ key, demote: null })),
        ...names.map((record) =>
          open()
            .insertIndexes([record])
            .then(() => true),
        ),
      ])
      expect(await store.loadEpoch('default')).toBe(done.filter(Boolean).length)
      expect(done.filter(Boolean)).toHaveLength(2 + 6)
    })

    it('gives back every member of an index record, nulls included', async () => {
      const records = [
        someIndex(),
        someIndex({
          name: 'person.note',
          indexKeyId: null,
          normaliser: null,
          bits: null,
          range: null,
        }),
        someIndex({
          kind: 'group',
          name: 'mails',
          normaliser: '',
          bits: 8,
          range: null,
          generation: 255,
        }),
        someIndex({ name: 'person.mail2', indexKeyId: null, group: 'mails', state: 'required' }),
      ]
      await store.insertIndexes(records)
      await store.insertIndexes([someIndex({ domain: 'other' })])
      const loaded = await open().loadIndexes('default')
      expect(loaded).toHaveLength(4)
      expect(loaded).toEqual(expect.arrayContaining(records))
    })

    it('leaves an index record that exists as it is', async () => {
      await store.insertIndexes([someIndex()])
      const epoch = await store.loadEpoch('default')
      await store.insertIndexes([someIndex({ bits: 16 })])
      expect(await store.loadEpoch('default')).toBe(epoch)
      await store.insertIndexes([someIndex({ bits: 16 }), someIndex({ generation: 2 })])
      expect(await store.loadEpoch('default')).toBe(epoch + 1)
      expect(await store.loadIndexes('default')).toEqual([
        someIndex(),
        someIndex({ generation: 2 }),
      ])
      await store.insertIndexes([])
      expect(await store.loadEpoch('default')).toBe(epoch + 1)
    })

    it('replaces an index record that is still as expected', async () => {
      const previous = someIndex({ indexKeyId: null, normaliser: null, bits: null })
      await store.insertIndexes([previous])
      const next = someIndex({ range: null, group: 'mails', state: 'active' })
      expect(await store.replaceIndex(previous, next)).toBe(true)
      expect(await open().loadIndexes('default')).toEqual([next])
      expect(await store.loadEpoch('default')).toBe(2)
      expect(await store.replaceIndex(previous, someIndex())).toBe(false)
      expect(await store.replaceIndex(next, { ...next, name: 'another.name' })).toBe(false)
      for (const changed of [
        { bits: 127 },
        { normaliser: '' },
        { range: 'x' },
        { group: null },
        { indexKeyId: null },
        { state: 'required' as const },
      ]) {
        expect(await store.replaceIndex({ ...next, ...changed }, someIndex())).toBe(false)
      }
      expect(await store.loadIndexes('default')).toEqual([next])
      expect(await store.loadEpoch('default')).toBe(2)
    })

    it('removes a generation that is still the expected one, and never the last', async () => {
      const first = someIndex({ indexKeyId: null, normaliser: null, bits: null })
      const second: IndexRecord = { ...first, generation: 2, state: 'emptied' }
      const other = { ...first, name: 'another.name' }
      await store.insertIndexes([first, second, other])
      expect(await store.removeIndex({ ...second, state: 'settled' })).toBe(false)
      expect(await store.removeIndex({ ...second, range: 'x' })).toBe(false)
      expect(await store.removeIndex({ ...second, generation: 3 })).toBe(false)
      expect(await store.loadEpoch('default')).toBe(1)
      expect(await store.removeIndex(second)).toBe(true)
      expect(await store.loadEpoch('default')).toBe(2)
      expect(await open().loadIndexes('default')).toEqual(expect.arrayContaining([first, other]))
      expect(await store.removeIndex(second)).toBe(false)
      expect(await store.removeIndex(first)).toBe(false)
      expect(await store.loadIndexes('default')).toHaveLength(2)
      expect(await store.loadEpoch('default')).toBe(2)
    })

    it('may be created again without losing anything', async () => {
      await rotated()
      await Promise.all(Array.from({ length: 4 }, () => open().createTables?.()))
      expect((await store.loadKeys('default')).keys).toHaveLength(2)
    })
  })
}
