import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { MortiseError, type ProviderFailure } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyRecord, KeyState } from '../../src/key-store/store'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import { generateRootKey } from '../../src/providers/in-app'
import type { KeyProvider } from '../../src/providers/provider'
import { afterTime, eventLog, rejection, scriptedProvider, scriptedStore } from './fixtures'

/** A store with one data key and one index key, and a second keyring over it. */
async function prepared(domain = 'default') {
  const provider = scriptedProvider()
  const store = scriptedStore(memoryKeyStore())
  const first = createKeyring({ providers: [provider], store, domain })
  await first.ready()
  const { keys } = await store.loadKeys(domain)
  const data = keys.find(({ purpose }) => purpose === 'data') as KeyRecord
  const index = keys.find(({ purpose }) => purpose === 'index') as KeyRecord
  provider.calls.unwrap = 0
  const reopen = (providers: KeyProvider[] = [provider]) => {
    const log = eventLog()
    const keyring = createKeyring({ providers, store, domain, onEvent: log.onEvent })
    return { access: keyAccess(keyring), keyring, ...log }
  }
  return { provider, store, data, index, reopen }
}

const unavailable = () => new MortiseError('ERR_KEY_PROVIDER', 'timeout', { retryable: true })

const failing = (failure: ProviderFailure) =>
  new MortiseError('ERR_KEY_PROVIDER', `scripted ${failure}`, {
    failure,
    retryable: failure === 'session',
  })

describe('unlocking', () => {
  it('gives the same data key in every process, reduced to the key that wraps DEKs', async () => {
    const { data, reopen } = await prepared()
    const [one, two] = [reopen().access, reopen().access]
    const key = await one.sealingKey()
    const same = (await two.openingKeys([data.id])).get(data.id)
    expect(key).toMatchObject({ id: data.id, domain: 'default', version: 1 })
    expect(key.idBytes.toString('hex')).toBe(data.id)
    expect(same?.dekWrapKey.equals(key.dekWrapKey)).toBe(true)
    expect(Object.keys(key).sort()).toEqual(['dekWrapKey', 'domain', 'id', 'idBytes', 'version'])
  })

  it('zeroes what the provider returned', async () => {
    const { provider, reopen } = await prepared()
    const returned: Uint8Array[] = []
    const watching: KeyProvider = {
      uri: provider.uri,
      wrapKey: provider.wrapKey,
      unwrapKey: async (wrapped, context) => {
        const key = await provider.unwrapKey(wrapped, context)
        returned.push(key)
        return key
      },
    }
    await reopen([watching]).access.ready()
    expect(returned).toHaveLength(2)
    for (const bytes of returned) expect(bytes.every((byte) => byte === 0)).toBe(true)
  })

  it('reports each call of a provider', async () => {
    const { data, reopen } = await prepared()
    const { access, events } = reopen()
    await access.openingKeys([data.id])
    await access.openingKeys([data.id])
    expect(events).toEqual([
      {
        type: 'key-unlocked',
        domain: 'default',
        purpose: 'data',
        keyId: data.id,
        version: 1,
        providerUri: 'in-app:primary',
      },
    ])
  })
})

describe('a stored wrap', () => {
  const flip = (bytes: Uint8Array, at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] ?? 0) ^ 1
    return copy
  }
  const rewrapped = (key: KeyRecord, wrapped: Uint8Array): KeyRecord => ({
    ...key,
    wraps: key.wraps.map((wrap) => ({ ...wrap, wrapped })),
  })

  it.each<[string, (data: KeyRecord, index: KeyRecord) => Partial<KeyRecord>]>([
    ['with one bit changed', (data) => rewrapped(data, flip(data.wraps[0]!.wrapped, 7))],
    ['cut short', (data) => rewrapped(data, data.wraps[0]!.wrapped.subarray(0, 32))],
    ['of another key', (data, index) => rewrapped(data, index.wraps[0]!.wrapped)],
    ['with another check value', (data) => ({ kcv: flip(data.kcv, 31) })],
    ['under another version', () => ({ version: 2 })],
    ['under another id', () => ({ id: randomBytes(8).toString('hex') })],
  ])('%s closes the key, with a security event', async (_what, change) => {
    const { store, data, index, reopen } = await prepared()
    store.edit = (key) => (key.id === data.id ? { ...key, ...change(data, index) } : key)
    const { access, events } = reopen()
    const error = await rejection(access.sealingKey(), 'ERR_KEY_INTEGRITY')
    expect(error).toMatchObject({ retryable: false })
    expect(error.message).toMatch(/default.*data/)
    expect(events).toEqual([
      expect.objectContaining({
        type: 'key-integrity',
        purpose: 'data',
        providerUri: 'in-app:primary',
      }),
    ])
  })

  it('with a swapped purpose does not open', async () => {
    const { store, data, index, reopen } = await prepared()
    store.edit = (key) => ({ ...key, purpose: key.id === data.id ? 'index' : 'data' })
    const { access } = reopen()
    await rejection(access.openingKeys([index.id]), 'ERR_KEY_INTEGRITY')
    await rejection(access.openingKeys([data.id]), 'ERR_KEY_NOT_FOUND')
  })

  it('of another domain does not open, even where the store presents it as its own', async () => {
    const { provider, store, data, reopen } = await prepared()
    const other = createKeyring({ providers: [provider], store, domain: 'other' })
    await other.ready()
    const stolen = (await store.loadKeys('other')).keys.find((key) => key.purpose === 'data')
    store.edit = (key) =>
      key.id === data.id ? { ...(stolen as KeyRecord), domain: 'default' } : key
    await rejection(reopen().access.sealingKey(), 'ERR_KEY_INTEGRITY')
    store.edit = (key) => (key.id === data.id ? (stolen as KeyRecord) : key)
    const { access } = reopen()
    await rejection(access.openingKeys([String(stolen?.id)]), 'ERR_KEY_NOT_FOUND')
  })

  it('does not open with another root key', async () => {
    const { data, reopen } = await prepared()
    const { access, keyring } = reopen([scriptedProvider('primary', generateRootKey())])
    const error = await rejection(keyring.ready(), 'ERR_KEY_INTEGRITY')
    expect(error.message).toContain(data.id)
    await rejection(access.openingKeys([data.id]), 'ERR_KEY_INTEGRITY')
  })

  it('that is bad is not passed over for a good one', async () => {
    const { provider, store, data, reopen } = await prepared()
    const second = scriptedProvider('second')
    const [wrap] = data.wraps
    const bad = { ...wrap!, providerUri: second.uri }
    store.edit = (key) => ({ ...key, wraps: [...key.wraps, bad] })
    await rejection(reopen([second, provider]).access.sealingKey(), 'ERR_KEY_INTEGRITY')
    expect(provider.calls.unwrap).toBe(0)
  })

  it('that holds another length closes the key', async () => {
    const { provider, reopen } = await prepared()
    const short = { ...provider, unwrapKey: async () => randomBytes(16) }
    const { access, events } = reopen([short])
    await rejection(access.sealingKey(), 'ERR_KEY_INTEGRITY')
    expect(events).toMatchObject([{ type: 'key-integrity' }])
  })

  it('costs one provider call per second while it is bad', async () => {
    const { provider, store, data, reopen } = await prepared()
    store.edit = (key) => (key.id === data.id ? { ...key, kcv: flip(key.kcv, 0) } : key)
    const { access } = reopen()
    for (let i = 0; i < 20; i++) await rejection(access.sealingKey(), 'ERR_KEY_INTEGRITY')
    expect(provider.calls.unwrap).toBe(1)
  })
})

describe('providers', () => {
  /** A key with two wraps of the same KEK: by `first`, then by `second`. */
  async function twoWraps() {
    const base = await prepared()
    const second = scriptedProvider('second')
    const bytes = await base.provider.unwrapKey(base.data.wraps[0]!.wrapped, {
      use: 'kek',
      domain: 'default',
      purpose: 'data',
      id: base.data.id,
      version: 1,
    })
    const context = { use: 'kek', domain: 'default', purpose: 'data', version: 1 } as const
    const wrapped = await second.wrapKey(bytes, { ...context, id: base.data.id })
    base.store.edit = (key) =>
      key.id === base.data.id
        ? { ...key, wraps: [...key.wraps, { ...key.wraps[0]!, providerUri: second.uri, wrapped }] }
        : key
    base.provider.calls.unwrap = 0
    return { ...base, second }
  }

  it.each<[string, unknown, string | null, retryable: boolean]>([
    ['cannot be reached', unavailable(), 'transient', true],
    ['lost their session', failing('session'), 'session', true],
    ['hold a disabled key', failing('state'), 'state', false],
    ['deny access', failing('access'), 'access', false],
    ['refuse for no known reason', new MortiseError('ERR_KEY_PROVIDER', 'no'), null, false],
    ['have a bug', new TypeError('a bug'), null, false],
  ])('that %s lead to the next wrap', async (_what, failure, reported, retryable) => {
    const { provider, second, data, reopen } = await twoWraps()
    provider.failure = failure
    // Three attempts in 250 ms: too few for the breaker.
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    const { access, events } = reopen([provider, second])
    expect((await access.sealingKey()).id).toBe(data.id)
    vi.restoreAllMocks()
    expect(second.calls.unwrap).toBe(1)
    expect(provider.calls.unwrap > 1).toBe(retryable)
    const unlocked = { type: 'key-unlocked', keyId: data.id, providerUri: 'in-app:second' }
    const one = { keyId: data.id, providerUri: 'in-app:primary' }
    expect(events).toMatchObject(
      retryable
        ? [{ type: 'key-hedged', keyId: data.id, providerUri: 'in-app:second' }, unlocked]
        : [{ type: 'provider-unavailable', ...one, failure: reported, retryable: false }, unlocked],
    )
  })

  it('that do not answer are helped by the next wrap after 250 ms, and told so', async () => {
    const { provider, second, reopen } = await twoWraps()
    let signal: AbortSignal | undefined
    const hanging: KeyProvider = {
      ...provider,
      unwrapKey: (_wrapped, _context, options) => {
        signal = options?.signal
        return new Promise(() => {})
      },
    }
    const begunAt = performance.now()
    const { access, all } = reopen([hanging, second])
    await access.sealingKey()
    expect(performance.now() - begunAt).toBeGreaterThan(240)
    expect(signal?.aborted).toBe(true)
    expect(all).toMatchObject([
      { type: 'key-hedged', providerUri: 'in-app:second' },
      { type: 'provider-call', providerUri: 'in-app:second', outcome: 'ok', attempt: 1 },
      { type: 'provider-call', providerUri: 'in-app:primary', outcome: 'abandoned' },
      { type: 'key-unlocked', providerUri: 'in-app:second' },
    ])
  })

  it('are asked in the order of configuration, whatever the order of the wraps', async () => {
    const { provider, second, reopen } = await twoWraps()
    await reopen([second, provider]).access.sealingKey()
    expect([provider.calls.unwrap, second.calls.unwrap]).toEqual([0, 1])
  })

  it('that all fail give one error: the most telling class, every message, retryable if one is', async () => {
    const { provider, second, data, reopen } = await twoWraps()
    provider.failure = failing('session')
    second.failure = failing('state')
    const { access } = reopen([provider, second])
    vi.useFakeTimers()
    const error = await afterTime(10_000, rejection(access.sealingKey(), 'ERR_KEY_PROVIDER'))
    vi.useRealTimers()
    expect(error).toMatchObject({ retryable: true, failure: 'state', cause: second.failure })
    expect(error.message).toContain(data.id)
    expect(error.message).toMatch(/scripted session.*scripted state/)
  })

  it('that throw something else are final, with the cause', async () => {
    const { provider, data, reopen } = await twoWraps()
    provider.failure = new TypeError('a bug')
    const { access } = reopen([provider])
    const error = await rejection(access.sealingKey(), 'ERR_KEY_PROVIDER')
    expect(error).toMatchObject({ retryable: false, cause: provider.failure })
    expect(error.message).toContain(data.id)
    expect(error.message).not.toContain('a bug')
    expect(provider.calls.unwrap).toBe(1)
  })

  it('that answer too late are heard where they found tampering', async () => {
    const { provider, second, reopen } = await twoWraps()
    let fail = (_error: unknown) => {}
    const slow: KeyProvider = {
      ...provider,
      unwrapKey: () =>
        new Promise((_resolve, reject) => {
          fail = reject
        }),
    }
    const { access, events } = reopen([slow, second])
    await access.sealingKey()
    expect(events.map(({ type }) => type)).toEqual(['key-hedged', 'key-unlocked'])
    fail(new MortiseError('ERR_KEY_INTEGRITY', 'wrong wrap', { failure: 'integrity' }))
    await new Promise((resolve) => setImmediate(resolve))
    expect(events.at(-1)).toMatchObject({ type: 'key-integrity', providerUri: 'in-app:primary' })
  })

  it('that are not configured are never used, and named', async () => {
    const { second, reopen } = await twoWraps()
    await reopen([second]).access.sealingKey()
    const { access } = reopen([scriptedProvider('third')])
    const error = await rejection(access.sealingKey(), 'ERR_KEY_PROVIDER')
    expect(error.message).toMatch(/in-app:primary, in-app:second/)
  })

  it('of a key without wraps are named as none', async () => {
    const { store, reopen } = await prepared()
    store.edit = (key) => ({ ...key, wraps: [] })
    const error = await rejection(reopen().access.sealingKey(), 'ERR_KEY_PROVIDER')
    expect(error.message).toMatch(/no provider/)
  })
})

describe('key states', () => {
  it.each<[KeyState, seals: boolean, opens: boolean]>([
    ['active', true, true],
    ['decrypt-only', false, true],
    ['disabled', false, false],
    ['destroyed', false, false],
  ])('%s: seals %s, opens %s', async (state, seals, opens) => {
    const { store, data, reopen } = await prepared()
    store.edit = (key) => (key.id === data.id ? { ...key, state } : key)
    const { access } = reopen()
    if (seals) expect((await access.sealingKey()).id).toBe(data.id)
    else {
      const error = await rejection(access.sealingKey(), 'ERR_KEY_STATE')
      expect(error.message).toMatch(new RegExp(`${data.id}.*${state}.*rotateKek`))
    }
    if (opens) {
      expect((await access.openingKeys([data.id])).size).toBe(1)
      expect(access.loadedOpeningKey(data.id)?.id).toBe(data.id)
    } else {
      const error = await rejection(access.openingKeys([data.id]), 'ERR_KEY_STATE')
      expect(error.message).toMatch(new RegExp(`${data.id}.*${state}`))
      expect(access.loadedOpeningKey(data.id)).toBeUndefined()
    }
  })

  it('of the highest version decide, not an older active key', async () => {
    const { store, data, reopen } = await prepared()
    store.edit = (key) => key
    const newer = { ...data, id: '00112233445566ff', version: 2, state: 'disabled' as const }
    const { loadKeys } = store
    Object.assign(store, {
      loadKeys: async (domain: string) => {
        const loaded = await loadKeys(domain)
        return { ...loaded, keys: [...loaded.keys, newer] }
      },
    })
    const error = await rejection(reopen().access.sealingKey(), 'ERR_KEY_STATE')
    expect(error.message).toContain('00112233445566ff')
  })

  it('of index keys matter to tokens in the same way', async () => {
    const { store, index, reopen } = await prepared()
    const exact = { normaliser: '', bits: 128, group: null }
    const declaration = { fieldId: 'person.email', exact, range: null, next: null }
    const name = { kind: 'field', name: 'person.email' } as const
    await reopen().access.declareIndexes([declaration])
    for (const [state, usable] of [
      ['active', true],
      ['decrypt-only', true],
      ['disabled', false],
      ['destroyed', false],
    ] as const) {
      store.edit = (key) => (key.id === index.id ? { ...key, state } : key)
      const { access } = reopen()
      await access.declareIndexes([declaration])
      if (usable) expect((await access.tokenKey(name)).bits).toBe(128)
      else await rejection(access.tokenKey(name), 'ERR_KEY_STATE')
    }
  })
})

describe('opening keys', () => {
  it('refuses unknown ids and ids of index keys alike', async () => {
    const { index, reopen } = await prepared()
    const { access } = reopen()
    const unknown = await rejection(access.openingKeys(['ffffffffffffffff']), 'ERR_KEY_NOT_FOUND')
    const purpose = await rejection(access.openingKeys([index.id]), 'ERR_KEY_NOT_FOUND')
    expect(unknown.message.replace('ffffffffffffffff', '')).toBe(
      purpose.message.replace(index.id, ''),
    )
    expect(access.loadedOpeningKey(index.id)).toBeUndefined()
    expect(access.loadedOpeningKey('ffffffffffffffff')).toBeUndefined()
  })

  it('gives nothing for no ids, without any I/O', async () => {
    const { store, reopen } = await prepared()
    store.reads.keys = 0
    expect((await reopen().access.openingKeys([])).size).toBe(0)
    expect(store.reads.keys).toBe(0)
  })

  it('fetches all unknown ids with one query', async () => {
    const { store, data, reopen } = await prepared()
    const { access } = reopen()
    await access.ready()
    await access.openingKeys([data.id, data.id])
    store.reads.keys = 0
    await rejection(
      access.openingKeys([data.id, ...['aa', 'bb', 'cc'].map((x) => x.repeat(8))]),
      'ERR_KEY_NOT_FOUND',
    )
    expect(store.reads.keys).toBe(1)
  })

  it('does not ask again for an unknown id within a second', async () => {
    const { store, reopen } = await prepared()
    const { access } = reopen()
    await access.ready()
    store.reads.keys = 0
    for (let i = 0; i < 10; i++) {
      await rejection(access.openingKeys(['ffffffffffffffff']), 'ERR_KEY_NOT_FOUND')
    }
    expect(store.reads.keys).toBe(1)
  })
})

describe('a new key', () => {
  it('is opened again before it is stored', async () => {
    const store = scriptedStore(memoryKeyStore())
    const provider = scriptedProvider()
    for (const wrapKey of [
      async () => randomBytes(40),
      async () =>
        scriptedProvider().wrapKey(randomBytes(32), {
          use: 'kek',
          domain: 'default',
          purpose: 'data',
          id: '0'.repeat(16),
          version: 1,
        }),
    ]) {
      const keyring = createKeyring({ providers: [{ ...provider, wrapKey }], store })
      await rejection(keyring.ready(), 'ERR_KEY_INTEGRITY')
    }
    expect(await store.loadKeys('default')).toEqual({ epoch: 0, keys: [] })
  })

  it.each([0, 1025])('is refused where its wrap has %i bytes', async (length) => {
    const store = memoryKeyStore()
    const provider = { ...scriptedProvider(), wrapKey: async () => Buffer.alloc(length, 1) }
    await rejection(createKeyring({ providers: [provider], store }).ready(), 'ERR_KEY_PROVIDER')
    expect(await store.loadEpoch('default')).toBe(0)
  })

  it('is wrapped by the first provider only', async () => {
    const store = memoryKeyStore()
    const [one, two] = [scriptedProvider('one'), scriptedProvider('two')]
    const keyring = createKeyring({ providers: [one, two], store })
    await keyring.ready()
    expect((await keyring.keys()).map(({ providers }) => providers)).toEqual([
      ['in-app:one'],
      ['in-app:one'],
    ])
    expect(two.calls).toEqual({ wrap: 0, unwrap: 0, close: 0 })
  })

  it('is not made while the provider cannot be asked', async () => {
    const store = memoryKeyStore()
    const failing = {
      ...scriptedProvider(),
      wrapKey: () => Promise.reject(unavailable()),
    }
    const error = await rejection(
      createKeyring({ providers: [failing], store }).ready(),
      'ERR_KEY_PROVIDER',
    )
    expect(error).toMatchObject({ retryable: true })
    expect(await store.loadEpoch('default')).toBe(0)
  })
})
