import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore, SubjectKeyRecord } from '../../src/key-store/store'
import type { KeyAccess, KeyRequest } from '../../src/keys/access'
import { createKeyring, type Keyring, keyAccess, keyControl } from '../../src/keys/keyring'
import { generateRootKey } from '../../src/providers/in-app'
import { disableKey, rotateKek } from '../../src/rotation'
import {
  eventLog,
  rejection,
  type ScriptedProvider,
  scriptedProvider,
  someSession,
} from './fixtures'

/** A store that counts questions about subjects, and shows subject keys as `edit` wants them. */
interface CountingStore extends KeyStore {
  readonly subjects: { loads: number; inserts: number }
  edit: ((record: SubjectKeyRecord) => SubjectKeyRecord) | undefined
}

function countingStore(inner: KeyStore = memoryKeyStore()): CountingStore {
  const store: CountingStore = {
    ...inner,
    subjects: { loads: 0, inserts: 0 },
    edit: undefined,
    loadSubjectKeys: async (domain, wanted, session) => {
      store.subjects.loads++
      const { keys, ...rest } = await inner.loadSubjectKeys(domain, wanted, session)
      return { ...rest, keys: store.edit ? keys.map(store.edit) : keys }
    },
    insertSubjectKeys: (records, session) => {
      store.subjects.inserts++
      return inner.insertSubjectKeys(records, session)
    },
  }
  return store
}

interface Ring {
  readonly keyring: Keyring
  readonly access: KeyAccess
  readonly provider: ScriptedProvider
}

function ring(store: KeyStore, epochPollMs = 0, secret = SECRET): Ring {
  const provider = scriptedProvider('primary', secret)
  const keyring = createKeyring({ providers: [provider], store, cache: { epochPollMs } })
  return { keyring, access: keyAccess(keyring), provider }
}

const SECRET = generateRootKey()
const PAGE = { notUnder: null, after: null, limit: 10 }
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `tenant ${i}`)

function request(...ids: string[]): KeyRequest {
  return { data: new Set(), subject: new Set(ids), provider: new Map() }
}

async function keyOf(access: KeyAccess, id: string) {
  return (await access.keysFor(request(id))).keyOf(id, 'subject')
}

async function keyIdOf(access: KeyAccess, subject: string): Promise<string> {
  return (await access.sealingKeys([subject])).get(subject)!.id
}

function tombstone(id: string) {
  return { id, domain: 'default', destroyedAt: new Date(), actor: '', reason: '' }
}

describe('keys of subjects', () => {
  it('are made once, and are the same for every process', async () => {
    const store = countingStore()
    const [one, two] = [ring(store), ring(store)]
    const id = await keyIdOf(one.access, 'acme')
    expect(id).toMatch(/^[0-9a-f]{16}$/)
    expect(await keyIdOf(two.access, 'acme')).toBe(id)
    expect(await keyIdOf(two.access, 'other')).not.toBe(id)
    const opened = (await two.access.keysFor(request(id))).keyOf(id, 'subject')
    const sealing = (await one.access.sealingKeys(['acme'])).get('acme')!
    expect('dekWrapKey' in opened && 'dekWrapKey' in sealing).toBe(true)
    if ('dekWrapKey' in opened && 'dekWrapKey' in sealing) {
      expect(opened.dekWrapKey.equals(sealing.dekWrapKey)).toBe(true)
    }
  })

  it('are agreed on by processes that make them at the same time', async () => {
    const store = memoryKeyStore()
    const rings = Array.from({ length: 8 }, () => ring(store))
    const ids = await Promise.all(rings.map(({ access }) => keyIdOf(access, 'acme')))
    expect(new Set(ids).size).toBe(1)
  })

  it('cost one question for 10,000, and no provider call of their own', async () => {
    const store = countingStore()
    const { access, provider } = ring(store)
    await access.ready()
    const before = provider.calls.unwrap
    const made = await access.sealingKeys(names(10_000))
    // One look, one insert, one look at what counts.
    expect(store.subjects).toEqual({ loads: 2, inserts: 1 })
    const ids = [...made.values()].map(({ id }) => id)
    expect(new Set(ids).size).toBe(10_000)

    const reader = ring(store)
    await reader.access.ready()
    const started = { loads: store.subjects.loads, unwraps: reader.provider.calls.unwrap }
    const keys = await reader.access.keysFor(request(...ids))
    expect(ids.every((id) => keys.keyOf(id, 'subject').id === id)).toBe(true)
    expect(store.subjects.loads - started.loads).toBe(1)
    expect(reader.provider.calls.unwrap - started.unwraps).toBe(0)
    expect(provider.calls.unwrap - before).toBe(0)
    await reader.access.keysFor(request(...ids))
    expect(store.subjects.loads - started.loads).toBe(1)
  })

  it('have a subject_ref that is 17 bytes, per domain and per subject', async () => {
    const { access } = ring(memoryKeyStore())
    const refs = await access.subjectRefs(['a', 'b', 'a'])
    expect([...refs.values()].map((ref) => [ref.length, ref[0]])).toEqual([
      [17, 1],
      [17, 1],
    ])
    expect(refs.get('a')).not.toEqual(refs.get('b'))
  })

  it('stay the same when the KEK is rotated, and need the old one until they are moved', async () => {
    const { keyring, access } = ring(memoryKeyStore())
    const id = await keyIdOf(access, 'acme')
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    expect(await keyIdOf(access, 'acme')).toBe(id)
    await disableKey(keyring, { keyId: previousKeyId! })
    await rejection(keyIdOf(access, 'acme'), 'ERR_KEY_STATE')
    await rejection(keyOf(access, id), 'ERR_KEY_STATE')
    expect(await keyIdOf(access, 'newcomer')).not.toBe(id)
  })

  it('are usable no longer than their KEK', async () => {
    const store = memoryKeyStore()
    const provider = scriptedProvider('primary', SECRET)
    const cache = { epochPollMs: 0, softTtlMs: 1, hardTtlMs: 1 }
    const keyring = createKeyring({ providers: [provider], store, cache })
    const access = keyAccess(keyring)
    const id = await keyIdOf(access, 'acme')
    provider.failure = new Error('gone')
    await new Promise((resolve) => setTimeout(resolve, 20))
    await rejection(access.keysFor(request(id)), 'ERR_KEY_PROVIDER')
  })

  it('are refused under wrapping by the provider', async () => {
    const provider = scriptedProvider()
    const options = {
      providers: [provider],
      store: memoryKeyStore(),
      wrapping: 'provider',
    } as const
    await rejection(keyAccess(createKeyring(options)).sealingKeys(['acme']), 'ERR_CONFIG')
  })
})

describe('an unknown or forged subject key', () => {
  it('does not hinder the keys that are known, nor costs a question of its own', async () => {
    const store = countingStore()
    const id = await keyIdOf(ring(store).access, 'acme')
    const { access } = ring(store)
    store.subjects.loads = 0
    const unknown = ['0123456789abcde0', '0123456789abcde1']
    const subject = new Set([...unknown, id])
    const keys = await access.keysFor({ data: new Set(), subject, provider: new Map() })
    expect(keys.keyOf(id, 'subject')).toMatchObject({ id })
    for (const one of unknown) {
      expect(() => keys.keyOf(one, 'subject')).toThrow(
        expect.objectContaining({ code: 'ERR_KEY_NOT_FOUND' }),
      )
    }
    expect(store.subjects.loads).toBeLessThanOrEqual(1)
  })

  it('is ERR_KEY_NOT_FOUND, and not asked for again within a second', async () => {
    const store = countingStore()
    const { access } = ring(store)
    await rejection(keyOf(access, '0123456789abcdef'), 'ERR_KEY_NOT_FOUND')
    await rejection(keyOf(access, '0123456789abcdef'), 'ERR_KEY_NOT_FOUND')
    expect(store.subjects.loads).toBe(1)
  })

  it.each<[string, (record: SubjectKeyRecord) => SubjectKeyRecord]>([
    ['another subject', (record) => ({ ...record, subjectRef: Buffer.alloc(17, 1) })],
    ['another wrap', (record) => ({ ...record, wrapped: Buffer.alloc(40, 2) })],
    ['another id', (record) => ({ ...record, id: '0123456789abcdef' })],
  ])('with %s is ERR_KEY_INTEGRITY', async (_, edit) => {
    const store = countingStore()
    const id = await keyIdOf(ring(store).access, 'acme')
    store.edit = edit
    const { events, onEvent } = eventLog()
    const providers = [scriptedProvider('primary', SECRET)]
    const { keysFor } = keyAccess(createKeyring({ providers, store, onEvent }))
    await rejection(keysFor(request(id)), 'ERR_KEY_INTEGRITY')
    expect(events.filter(({ type }) => type === 'subject-key-integrity')).toHaveLength(1)
  })

  it('of another domain is not found', async () => {
    const store = countingStore()
    const id = await keyIdOf(ring(store).access, 'acme')
    const provider = scriptedProvider('primary', SECRET)
    const other = createKeyring({ providers: [provider], store, domain: 'other' })
    await rejection(keyOf(keyAccess(other), id), 'ERR_KEY_NOT_FOUND')
  })

  it('of a transaction that began before the key was made is found all the same', async () => {
    const inner = memoryKeyStore()
    const { keyring } = ring(inner)
    await keyring.ready()
    const session = someSession(true)
    const before = await inner.loadSubjectKeys('default', { refs: [], ids: [] })
    const id = await keyIdOf(ring(inner).access, 'acme')
    const { epoch } = await inner.loadSubjectKeys('default', { refs: [], ids: [] })
    const store: KeyStore = {
      ...inner,
      loadSubjectKeys: async (domain, wanted, by) =>
        by === undefined ? inner.loadSubjectKeys(domain, wanted) : { ...before, epoch },
    }
    const keys = await ring(store, 5000).access.keysFor(request(id), session)
    expect(keys.keyOf(id, 'subject').id).toBe(id)
  })
})

describe('a destroyed subject key', () => {
  it('is a typed error at once here, and within the poll elsewhere; others are untouched', async () => {
    const store = memoryKeyStore()
    const [here, elsewhere] = [ring(store), ring(store)]
    const id = await keyIdOf(here.access, 'acme')
    const kept = await keyIdOf(here.access, 'other')
    await elsewhere.access.keysFor(request(id, kept))
    await keyControl(here.keyring).subjects.destroy([tombstone(id)])
    for (const { access } of [here, elsewhere]) {
      const keys = await access.keysFor(request(id, kept))
      expect(() => keys.keyOf(id, 'subject')).toThrow(
        expect.objectContaining({ code: 'ERR_SUBJECT_SHREDDED' }),
      )
      expect(keys.shreddedAt(id)).toBeInstanceOf(Date)
      expect(keys.keyOf(kept, 'subject').id).toBe(kept)
    }
  })

  it('does not come back: a later write makes another one', async () => {
    const { keyring, access } = ring(memoryKeyStore())
    const id = await keyIdOf(access, 'acme')
    await keyControl(keyring).subjects.destroy([tombstone(id)])
    expect(await keyControl(keyring).subjects.find('acme')).toBeNull()
    const next = await keyIdOf(access, 'acme')
    expect(next).not.toBe(id)
    expect((await keyControl(keyring).subjects.find('acme'))?.id).toBe(next)
    const [stone] = await keyControl(keyring).subjects.tombstones([id, next])
    expect(stone?.id).toBe(id)
  })

  it('that was read before it was destroyed is not kept afterwards', async () => {
    const inner = memoryKeyStore()
    let meanwhile: (() => Promise<void>) | undefined
    const store: KeyStore = {
      ...inner,
      loadSubjectKeys: async (...question) => {
        const answer = await inner.loadSubjectKeys(...question)
        await meanwhile?.()
        return answer
      },
    }
    const { keyring, access } = ring(store)
    const id = await keyIdOf(ring(inner).access, 'acme')
    meanwhile = async () => {
      meanwhile = undefined
      await keyControl(keyring).subjects.destroy([tombstone(id)])
    }
    await access.keysFor(request(id))
    expect((await access.keysFor(request(id))).shreddedAt(id)).toBeInstanceOf(Date)
  })

  it('does not come back from the snapshot of a transaction, or from a replica', async () => {
    const inner = memoryKeyStore()
    const id = await keyIdOf(ring(inner).access, 'acme')
    const { subjectRef } = (await inner.pageSubjectKeys('default', PAGE))[0]!
    const old = await inner.loadSubjectKeys('default', { refs: [subjectRef], ids: [] })
    await inner.destroySubjectKeys([tombstone(id)])
    const store: KeyStore = {
      ...inner,
      loadSubjectKeys: async (domain, wanted, session) =>
        session === undefined ? inner.loadSubjectKeys(domain, wanted) : old,
    }
    for (const inTransaction of [true, false]) {
      const { keyring, access } = ring(store, 5000)
      await keyring.ready()
      const session = someSession(inTransaction)
      expect((await access.keysFor(request(id), session)).shreddedAt(id)).toBeInstanceOf(Date)
      expect((await access.sealingKeys(['acme'], session)).get('acme')?.id).not.toBe(id)
    }
  })

  it('does not come back with an older state of the whole store', async () => {
    const inner = memoryKeyStore()
    const id = await keyIdOf(ring(inner).access, 'acme')
    const [oldKeys, oldSubjects] = [
      await inner.loadKeys('default'),
      await inner.loadSubjectKeys('default', { refs: [], ids: [id] }),
    ]
    const store: KeyStore = { ...inner }
    const { keyring, access } = ring(store, 5000)
    await keyControl(keyring).subjects.destroy([tombstone(id)])
    store.loadKeys = async () => oldKeys
    store.loadSubjectKeys = async () => oldSubjects
    await rejection(access.keysFor(request(id)), 'ERR_KEY_STORE_ROLLBACK')
  })
})
