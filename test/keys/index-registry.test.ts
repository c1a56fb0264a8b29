import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { IndexRecord } from '../../src/key-store/store'
import type { IndexDeclaration } from '../../src/keys/access'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rejection, scriptedProvider, scriptedStore, someSession } from './fixtures'

const exact = (
  normaliser = '',
  bits = 128,
  group: string | null = null,
): IndexDeclaration['exact'] => ({ normaliser, bits, group })
const field = (
  fieldId: string,
  exactIndex: IndexDeclaration['exact'] = null,
  range: string | null = null,
  next: IndexDeclaration['next'] = null,
): IndexDeclaration => ({ fieldId, exact: exactIndex, range, next })

/** A store, and processes over it that share the root key. */
function processes() {
  const store = scriptedStore(memoryKeyStore())
  const provider = scriptedProvider()
  const start = (epochPollMs?: number) =>
    createKeyring({ providers: [provider], store, cache: { epochPollMs } })
  return { store, start, access: () => keyAccess(start()) }
}

const email = field('person.email', exact('email@1'))

describe('declareIndexes', () => {
  it('registers one record for every field, with or without an index', async () => {
    const { store, access } = processes()
    const all = access()
    await all.declareIndexes([
      email,
      field('person.income', null, 'step:10000'),
      field('person.note'),
      field('person.city', exact('', 32, 'places'), 'prefix:1'),
      field('person.town', exact('', 32, 'places')),
    ])
    const index = (await store.loadKeys('default')).keys.find(({ purpose }) => purpose === 'index')
    const base = { domain: 'default', kind: 'field', generation: 1, state: 'active' }
    const none = { indexKeyId: null, normaliser: null, bits: null, range: null, group: null }
    const places = { normaliser: '', bits: 32 }
    const expected = [
      {
        ...base,
        ...none,
        name: 'person.email',
        indexKeyId: index?.id,
        normaliser: 'email@1',
        bits: 128,
      },
      { ...base, ...none, name: 'person.income', range: 'step:10000' },
      { ...base, ...none, name: 'person.note' },
      { ...base, ...none, name: 'person.city', ...places, group: 'places', range: 'prefix:1' },
      { ...base, ...none, name: 'person.town', ...places, group: 'places' },
      { ...base, ...none, kind: 'group', name: 'places', ...places, indexKeyId: index?.id },
    ]
    const records = await store.loadIndexes('default')
    expect(records).toHaveLength(6)
    expect(records).toEqual(expect.arrayContaining(expected))
    expect((await all.knownFieldIds()).sort()).toEqual([
      'person.city',
      'person.email',
      'person.income',
      'person.note',
      'person.town',
    ])
  })

  it('makes no index key where no exact index needs one', async () => {
    const { store, access } = processes()
    await access().declareIndexes([field('person.note'), field('person.age', null, 'step:5')])
    expect((await store.loadKeys('default')).keys).toEqual([])
  })

  it('accepts the same declarations again, in this process and the next', async () => {
    const { store, access } = processes()
    const one = access()
    await one.declareIndexes([email, email])
    await one.declareIndexes([email])
    await access().declareIndexes([email])
    expect(await store.loadIndexes('default')).toHaveLength(1)
  })

  it('accepts nothing at all', async () => {
    const { access } = processes()
    await access().declareIndexes([])
    expect(await access().knownFieldIds()).toEqual([])
  })

  it.each<[string, IndexDeclaration, IndexDeclaration, RegExp]>([
    ['normaliser', email, field('person.email', exact('')), /normaliser "email@1", declared ""/],
    ['bits', email, field('person.email', exact('email@1', 32)), /bits 128, declared 32/],
    ['group', email, field('person.email', exact('email@1', 128, 'g')), /group none, declared "g"/],
    [
      'range',
      email,
      field('person.email', exact('email@1'), 'prefix:1'),
      /range none, declared "prefix:1"/,
    ],
    [
      'a range parameter',
      field('p.i', null, 'step:1'),
      field('p.i', null, 'step:2'),
      /range "step:1", declared "step:2"/,
    ],
    ['a new exact index', field('person.email'), email, /normaliser none.*bits none, declared 128/],
    ['no index any more', email, field('person.email'), /bits 128, declared none/],
    [
      'leaving its group',
      field('p.c', exact('', 8, 'g')),
      field('p.c', exact('', 8)),
      /group "g", declared none/,
    ],
  ])('refuses another %s, and names the fix', async (_what, before, after, message) => {
    const { store, access } = processes()
    await access().declareIndexes([before])
    const records = await store.loadIndexes('default')
    const error = await rejection(access().declareIndexes([after]), 'ERR_INDEX_CHANGED')
    expect(error.message).toMatch(message)
    expect(error.message).toMatch(/reindex/)
    expect(error).toMatchObject({ field: before.fieldId })
    expect(await store.loadIndexes('default')).toEqual(records)
  })

  it('refuses a group whose fields are indexed differently', async () => {
    const { access } = processes()
    const one = access()
    const city = field('p.city', exact('lowercase@1', 64, 'places'))
    for (const other of [exact('', 64, 'places'), exact('lowercase@1', 32, 'places')]) {
      const both = one.declareIndexes([city, field('p.town', other)])
      expect((await rejection(both, 'ERR_CONFIG')).message).toMatch(/places/)
    }
    await one.declareIndexes([city])
    await rejection(one.declareIndexes([field('p.town', exact('', 64, 'places'))]), 'ERR_CONFIG')
    const next = access().declareIndexes([field('p.town', exact('', 64, 'places'))])
    expect(await rejection(next, 'ERR_INDEX_CHANGED')).toMatchObject({ field: 'places' })
  })

  it('refuses two declarations of one field that differ', async () => {
    const { access } = processes()
    await rejection(access().declareIndexes([email, field('person.email')]), 'ERR_CONFIG')
  })

  it('lets one of two processes win that register a field at the same time', async () => {
    const { store, access } = processes()
    const results = await Promise.allSettled([
      access().declareIndexes([email]),
      access().declareIndexes([field('person.email', exact('lowercase@1'))]),
    ])
    const failed = results.filter((result) => result.status === 'rejected')
    expect(failed).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ code: 'ERR_INDEX_CHANGED' }) },
    ])
    expect(await store.loadIndexes('default')).toHaveLength(1)
  })

  it.each<[string, Partial<IndexRecord>]>([
    ['a second generation', { generation: 2 }],
    ['two generations to come', { generation: 2, state: 'written', name: 'x.y' }],
  ])('refuses to take part in a reindex: %s', async (_what, change) => {
    const { store, access } = processes()
    const one = access()
    await one.declareIndexes([email])
    const [record] = await store.loadIndexes('default')
    await store.insertIndexes([{ ...(record as IndexRecord), ...change }])
    const error = await rejection(access().declareIndexes([email]), 'ERR_INDEX_CHANGED')
    expect(error.message).toMatch(/generations/)
  })
})

describe('tokenKey', () => {
  const name = { kind: 'field', name: 'person.email' } as const

  it('is the same in every process, and another for every field, group and domain', async () => {
    const { store, access } = processes()
    const declarations = [
      email,
      field('person.mail2', exact('email@1')),
      field('person.city', exact('email@1', 128, 'person.email')),
    ]
    const [one, two] = [access(), access()]
    await one.declareIndexes(declarations)
    await two.declareIndexes(declarations)
    const other = keyAccess(
      createKeyring({ providers: [scriptedProvider()], store, domain: 'other' }),
    )
    await other.declareIndexes(declarations)
    const key = await one.tokenKey(name)
    expect(key).toMatchObject({ generation: 1, bits: 128 })
    expect((await two.tokenKey(name)).key.equals(key.key)).toBe(true)
    const others = await Promise.all([
      one.tokenKey({ kind: 'field', name: 'person.mail2' }),
      one.tokenKey({ kind: 'group', name: 'person.email' }),
      other.tokenKey(name),
    ])
    const keys = [key, ...others].map((token) => token.key.export().toString('hex'))
    expect(new Set(keys).size).toBe(4)
  })

  it('stays on its index KEK when that one is rotated', async () => {
    const { store, start, access } = processes()
    const keyring = start()
    const one = keyAccess(keyring)
    await one.declareIndexes([email])
    const before = await one.tokenKey(name)
    const { keyId } = await rotateKek(keyring, { purpose: 'index' })
    expect((await one.tokenKey(name)).key.equals(before.key)).toBe(true)
    const later = access()
    await later.declareIndexes([email, field('person.new', exact())])
    expect((await later.tokenKey(name)).key.equals(before.key)).toBe(true)
    const records = await store.loadIndexes('default')
    expect(records.find((record) => record.name === 'person.new')?.indexKeyId).toBe(keyId)
    expect(records.find((record) => record.name === 'person.email')?.indexKeyId).not.toBe(keyId)
  })

  it('is refused for what was not declared here', async () => {
    const { access } = processes()
    await access().declareIndexes([email])
    const other = access()
    await expect(other.tokenKey(name)).rejects.toThrow(RangeError)
    await expect(other.tokenKey({ kind: 'group', name: 'places' })).rejects.toThrow(RangeError)
  })

  it('is refused for a field without an exact index of its own', async () => {
    const { access } = processes()
    const one = access()
    await one.declareIndexes([field('p.note'), field('p.city', exact('', 8, 'places'))])
    await rejection(one.tokenKey({ kind: 'field', name: 'p.note' }), 'ERR_CONFIG')
    await rejection(one.tokenKey({ kind: 'field', name: 'p.city' }), 'ERR_CONFIG')
    expect((await one.tokenKey({ kind: 'group', name: 'places' })).bits).toBe(8)
  })

  it('compares the stored record again after the key store changed', async () => {
    const { store, start } = processes()
    const one = keyAccess(start(0))
    await one.declareIndexes([email])
    await one.tokenKey(name)
    const [record] = await store.loadIndexes('default')
    const changed = { ...(record as IndexRecord), normaliser: 'lowercase@1' }
    await store.replaceIndex(record as IndexRecord, changed)
    await rejection(one.tokenKey(name), 'ERR_INDEX_CHANGED')
  })

  it('fails where the record names a key that is none of this domain and purpose', async () => {
    const { store, access } = processes()
    const one = access()
    await one.ready()
    const data = (await store.loadKeys('default')).keys.find(({ purpose }) => purpose === 'data')
    for (const indexKeyId of ['ffffffffffffffff', data?.id ?? '']) {
      const { loadIndexes } = store
      const other = access()
      await other.declareIndexes([email])
      store.loadIndexes = async (domain) =>
        (await loadIndexes(domain)).map((record) => ({ ...record, indexKeyId }))
      const tampered = access()
      await tampered.declareIndexes([email])
      await rejection(tampered.tokenKey(name), 'ERR_KEY_NOT_FOUND')
      store.loadIndexes = loadIndexes
    }
  })

  it('fails where a registered record is gone', async () => {
    const { store, start } = processes()
    const one = keyAccess(start(0))
    await one.declareIndexes([email])
    const epoch = store.epochShift
    store.loadIndexes = async () => []
    store.epochShift = epoch + 1
    await rejection(one.tokenKey(name), 'ERR_KEY_STORE')
    await rejection(one.declareIndexes([email]), 'ERR_KEY_STORE')
  })

  it('is not misled by a session that shows an older state', async () => {
    const { store, start } = processes()
    const [here, there] = [start(0), start()]
    const one = keyAccess(here)
    await one.declareIndexes([email])
    const before = await one.tokenKey(name)
    await rotateKek(there, { purpose: 'data' })
    await one.sealingKey()
    const [{ loadEpoch, loadIndexes }, empty] = [store, memoryKeyStore()]
    store.loadEpoch = (domain, session) => (session ? empty : { loadEpoch }).loadEpoch(domain)
    store.loadIndexes = (domain, session) => (session ? empty : { loadIndexes }).loadIndexes(domain)
    for (const session of [someSession(true), someSession(false), undefined]) {
      expect((await one.tokenKey(name, session)).key.equals(before.key)).toBe(true)
      await one.declareIndexes([email], session)
    }
  })

  it('reads no records again while the key store is unchanged', async () => {
    const { store, access } = processes()
    const one = access()
    await one.declareIndexes([email])
    await one.tokenKey(name)
    store.reads.indexes = 0
    for (let i = 0; i < 10; i++) await one.tokenKey(name)
    expect(store.reads.indexes).toBe(0)
  })
})

describe('redeclareIndex', () => {
  it('replaces what an empty column was registered with', async () => {
    const { store, access } = processes()
    const one = access()
    await one.declareIndexes([field('person.email')])
    const next = access()
    await rejection(next.declareIndexes([email]), 'ERR_INDEX_CHANGED')
    await next.redeclareIndex(email)
    await next.declareIndexes([email])
    expect(await store.loadIndexes('default')).toEqual([
      expect.objectContaining({ name: 'person.email', normaliser: 'email@1', bits: 128 }),
    ])
    expect((await next.tokenKey({ kind: 'field', name: 'person.email' })).bits).toBe(128)
    await access().declareIndexes([email])
  })

  it('registers a field that is not registered yet', async () => {
    const { store, access } = processes()
    await access().redeclareIndex(email)
    expect(await store.loadIndexes('default')).toHaveLength(1)
  })

  it('may change what this process itself declared', async () => {
    const { access } = processes()
    const one = access()
    await one.declareIndexes([email])
    await one.redeclareIndex(field('person.email', exact('', 32), 'prefix:2'))
    expect((await one.tokenKey({ kind: 'field', name: 'person.email' })).bits).toBe(32)
    await rejection(access().declareIndexes([email]), 'ERR_INDEX_CHANGED')
  })

  it('moves a field into a group, which must agree', async () => {
    const { store, access } = processes()
    const one = access()
    await one.declareIndexes([email, field('p.city', exact('', 64, 'places'))])
    await rejection(
      one.redeclareIndex(field('person.email', exact('', 32, 'places'))),
      'ERR_CONFIG',
    )
    await one.redeclareIndex(field('person.email', exact('', 64, 'places')))
    const records = await store.loadIndexes('default')
    expect(records.find(({ name }) => name === 'person.email')).toMatchObject({
      indexKeyId: null,
      group: 'places',
    })
    const alone = access().redeclareIndex(field('person.email', exact('', 16, 'places')))
    await rejection(alone, 'ERR_INDEX_CHANGED')
  })

  it('loses against another process that was first', async () => {
    const { store, access } = processes()
    await access().declareIndexes([field('person.email')])
    const { replaceIndex } = store
    store.replaceIndex = async (previous, next) => {
      await replaceIndex(previous, { ...next, normaliser: 'lowercase@1' })
      return replaceIndex(previous, next)
    }
    await rejection(access().redeclareIndex(email), 'ERR_INDEX_CHANGED')
    const same = access()
    await same.declareIndexes([field('person.email', exact('lowercase@1'))])
  })
})
