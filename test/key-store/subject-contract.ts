import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/key-store/store'
import type { StorePlace } from './contract'
import { someKey, someSubjectKey, someTombstone } from './records'

/** What every key store does alike with subject keys, tombstones and sets of wraps. */
export function describeSubjectStore(name: string, place: StorePlace): void {
  describe(`${name} as a store of subject keys and wraps`, () => {
    let open: () => KeyStore
    let store: KeyStore

    beforeEach(async () => {
      open = await place()
      store = open()
    })

    const byRef = (...refs: Uint8Array[]) => store.loadSubjectKeys('default', { refs, ids: [] })
    const byId = (...ids: string[]) => store.loadSubjectKeys('default', { refs: [], ids })

    it('gives subject keys back by subject_ref and by id, also through another store', async () => {
      const [a, b, c] = [someSubjectKey(), someSubjectKey(), someSubjectKey()]
      await store.insertSubjectKeys([a, b, c])
      const wanted = { refs: [a.subjectRef], ids: [b.id] }
      const { keys, tombstones } = await open().loadSubjectKeys('default', wanted)
      expect(keys.sort((x) => (x.id === a.id ? -1 : 1))).toEqual([a, b])
      expect(tombstones).toEqual([])
      expect(await byRef(randomBytes(17))).toEqual({ epoch: 0, keys: [], tombstones: [] })
      expect(await store.loadSubjectKeys('other', wanted)).toEqual({
        epoch: 0,
        keys: [],
        tombstones: [],
      })
    })

    it('leaves the key of a subject that has one', async () => {
      const first = someSubjectKey()
      const second = someSubjectKey({ subjectRef: first.subjectRef })
      const elsewhere = someSubjectKey({ subjectRef: first.subjectRef, domain: 'other' })
      await store.insertSubjectKeys([first])
      await store.insertSubjectKeys([second, elsewhere])
      expect((await byRef(first.subjectRef)).keys).toEqual([first])
      expect(
        (await store.loadSubjectKeys('other', { refs: [], ids: [elsewhere.id] })).keys,
      ).toEqual([elsewhere])
    })

    it('lets concurrent writers agree on one key for each subject', async () => {
      const refs = Array.from({ length: 20 }, () => randomBytes(17))
      const writers = Array.from({ length: 6 }, (_, writer) => {
        const records = refs.map((subjectRef) => someSubjectKey({ subjectRef }))
        return open().insertSubjectKeys(writer % 2 === 0 ? records : records.reverse())
      })
      await Promise.all(writers)
      expect((await byRef(...refs)).keys).toHaveLength(20)
    })

    it('does not raise the epoch for new subjects: nobody else needs to look', async () => {
      await store.insertSubjectKeys([someSubjectKey()])
      expect(await store.loadEpoch('default')).toBe(0)
    })

    it('adds and finds thousands at once', async () => {
      const records = Array.from({ length: 5000 }, () => someSubjectKey())
      await store.insertSubjectKeys(records)
      const { keys } = await byRef(...records.map(({ subjectRef }) => subjectRef))
      expect(new Set(keys.map(({ id }) => id)).size).toBe(5000)
    })

    it('pages by id, without those under one KEK', async () => {
      const kekId = randomBytes(8).toString('hex')
      const old = Array.from({ length: 5 }, () => someSubjectKey()).sort((a, b) =>
        a.id < b.id ? -1 : 1,
      )
      await store.insertSubjectKeys([
        ...old,
        someSubjectKey({ kekId }),
        someSubjectKey({ domain: 'x' }),
      ])
      const first = await store.pageSubjectKeys('default', {
        notUnder: kekId,
        after: null,
        limit: 3,
      })
      expect(first).toEqual(old.slice(0, 3))
      const after = first[2]!.id
      const rest = await store.pageSubjectKeys('default', { notUnder: kekId, after, limit: 3 })
      expect(rest).toEqual(old.slice(3))
      const all = await store.pageSubjectKeys('default', { notUnder: null, after: null, limit: 10 })
      expect(all).toHaveLength(6)
    })

    it('puts keys under another KEK, unless somebody else was first', async () => {
      const [a, b] = [someSubjectKey(), someSubjectKey()]
      await store.insertSubjectKeys([a, b])
      const next = { kekId: randomBytes(8).toString('hex'), wrapped: randomBytes(40) }
      const changes = [
        { id: a.id, wrapped: a.wrapped, next },
        { id: b.id, wrapped: randomBytes(40), next },
      ]
      expect(await store.rewrapSubjectKeys(changes)).toBe(1)
      expect(await store.rewrapSubjectKeys(changes)).toBe(0)
      expect((await byId(a.id)).keys).toEqual([{ ...a, ...next }])
      expect((await byId(b.id)).keys).toEqual([b])
      const counts = await store.countSubjectKeys('default')
      expect(new Map(counts.map(({ kekId, count }) => [kekId, count]))).toEqual(
        new Map([
          [next.kekId, 1],
          [b.kekId, 1],
        ]),
      )
    })

    it('lets concurrent writers move the same keys, each key once', async () => {
      const keys = Array.from({ length: 40 }, () => someSubjectKey())
      await store.insertSubjectKeys(keys)
      const next = { kekId: randomBytes(8).toString('hex'), wrapped: randomBytes(40) }
      const changes = keys.map(({ id, wrapped }) => ({ id, wrapped, next }))
      const moved = await Promise.all(
        Array.from({ length: 6 }, (_, writer) =>
          open().rewrapSubjectKeys(writer % 2 === 0 ? changes : [...changes].reverse()),
        ),
      )
      expect(moved.reduce((sum, count) => sum + count)).toBe(40)
    })

    it('destroys keys and keeps their tombstones, raising the epoch', async () => {
      const [gone, kept] = [someSubjectKey(), someSubjectKey()]
      await store.insertSubjectKeys([gone, kept])
      const tombstone = someTombstone({ id: gone.id, actor: 'a"b', reason: "it's\ndone" })
      await store.destroySubjectKeys([tombstone])
      expect(await store.loadEpoch('default')).toBe(1)
      expect(await byId(gone.id, kept.id)).toEqual({
        epoch: 1,
        keys: [kept],
        tombstones: [tombstone],
      })
      expect((await byRef(gone.subjectRef)).keys).toEqual([])
      expect(await open().loadTombstones('default')).toEqual([tombstone])
      expect(await store.loadTombstones('other')).toEqual([])
    })

    it('keeps what a tombstone said first, and raises the epoch again', async () => {
      const first = someTombstone()
      await store.destroySubjectKeys([first])
      await store.destroySubjectKeys([{ ...first, reason: 'again' }])
      expect(await store.loadTombstones('default')).toEqual([first])
      expect(await store.loadEpoch('default')).toBe(2)
    })

    it('never gives out, nor takes in, a key that has a tombstone', async () => {
      const key = someSubjectKey()
      await store.destroySubjectKeys([someTombstone({ id: key.id })])
      await store.insertSubjectKeys([key])
      expect((await byId(key.id)).keys).toEqual([])
      expect((await byRef(key.subjectRef)).keys).toEqual([])
    })

    it('lets a shredded subject have a new key', async () => {
      const key = someSubjectKey()
      await store.insertSubjectKeys([key])
      await store.destroySubjectKeys([someTombstone({ id: key.id })])
      const next = someSubjectKey({ subjectRef: key.subjectRef })
      await store.insertSubjectKeys([next])
      expect((await byRef(key.subjectRef)).keys).toEqual([next])
    })

    it('replaces the wraps of a key if they are still the same, raising the epoch', async () => {
      const key = someKey()
      await store.insertKey({ key, demote: null })
      const createdAt = new Date('2026-05-06T07:08:09.010Z')
      const second = { providerUri: 'in-app:second', wrapped: randomBytes(72), createdAt }
      const both = [...key.wraps, second]
      expect(await store.replaceWraps(key, both)).toBe(true)
      expect(await store.replaceWraps(key, [])).toBe(false)
      expect(await store.replaceWraps({ ...key, wraps: [...both].reverse() }, [second])).toBe(true)
      const { epoch, keys } = await open().loadKeys('default')
      expect([epoch, keys[0]?.epoch, keys[0]?.wraps]).toEqual([3, 3, [second]])
      expect(await store.replaceWraps(someKey(), [])).toBe(false)
    })

    it('lets one of many concurrent replacements win', async () => {
      const key = someKey()
      await store.insertKey({ key, demote: null })
      const wrap = (i: number) => ({ ...key.wraps[0]!, providerUri: `in-app:n${i}` })
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, i) => open().replaceWraps(key, [...key.wraps, wrap(i)])),
      )
      expect(results.filter(Boolean)).toHaveLength(1)
      expect((await store.loadKeys('default')).keys[0]?.wraps).toHaveLength(2)
    })

    it('keeps a key without material', async () => {
      const [wrap] = someKey().wraps
      const empty = { ...wrap!, wrapped: Buffer.alloc(0) }
      const key = someKey({ kcv: Buffer.alloc(0), wraps: [empty] })
      await store.insertKey({ key, demote: null })
      expect((await store.loadKeys('default')).keys).toEqual([{ ...key, epoch: 1 }])
    })
  })
}
