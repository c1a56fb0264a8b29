import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { MortiseError } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring, keyAccess, keyControl } from '../../src/keys/keyring'
import type { KeyringOptions } from '../../src/keys/keyring-options'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import type { KeyContext } from '../../src/providers/provider'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rejection, scriptedProvider, scriptedStore } from './fixtures'

const provider = (name = 'primary') => inAppKeyProvider({ name, secret: generateRootKey() })

describe('createKeyring', () => {
  it('does no I/O', () => {
    const store = scriptedStore(memoryKeyStore())
    const scripted = scriptedProvider()
    createKeyring({ providers: [scripted], store })
    expect(store.reads).toEqual({ keys: 0, epoch: 0, indexes: 0 })
    expect(scripted.calls).toEqual({ wrap: 0, unwrap: 0, close: 0 })
  })

  it('has the domain `default` unless told otherwise', () => {
    expect(createKeyring({ providers: [provider()] }).domain).toBe('default')
    expect(createKeyring({ providers: [provider()], domain: 'tenant-7' }).domain).toBe('tenant-7')
  })

  const nine = Array.from({ length: 9 }, (_, i) => provider(`p${i}`))
  it.each<[string, object]>([
    ['no providers', { providers: [] }],
    ['nothing at all', {}],
    ['more than 8 providers', { providers: nine }],
    ['one URI twice', { providers: [provider('same'), provider('same')] }],
    ['something that is no provider', { providers: [{ uri: 'in-app:x' }] }],
    ['a missing provider', { providers: [undefined] }],
    ['a URI with a line feed', { providers: [{ ...scriptedProvider(), uri: 'a\nb' }] }],
    ['an empty domain', { providers: [provider()], domain: '' }],
    ['a domain with a space', { providers: [provider()], domain: 'a b' }],
    ['a domain of 65 characters', { providers: [provider()], domain: 'd'.repeat(65) }],
    ['a domain that is no text', { providers: [provider()], domain: 7 }],
    ['a store that is none', { providers: [provider()], store: {} }],
    ['null as store', { providers: [provider()], store: null }],
    ['a handler that is no function', { providers: [provider()], onEvent: 'log' }],
    ['a poll of -1 ms', { providers: [provider()], cache: { epochPollMs: -1 } }],
    ['a poll of more than a minute', { providers: [provider()], cache: { epochPollMs: 60_001 } }],
    ['a poll that is no number', { providers: [provider()], cache: { epochPollMs: Number.NaN } }],
    ['a hard TTL of 0', { providers: [provider()], cache: { hardTtlMs: 0 } }],
    ['a hard TTL over a day', { providers: [provider()], cache: { hardTtlMs: 86_400_001 } }],
    ['a soft TTL over the hard one', { providers: [provider()], cache: { hardTtlMs: 1000 } }],
    ['a TTL as text', { providers: [provider()], cache: { softTtlMs: '5' } }],
    ['a time limit of 0', { providers: [provider()], calls: { timeoutMs: 0 } }],
    ['a time limit over the deadline', { providers: [provider()], calls: { deadlineMs: 1000 } }],
    ['a deadline over two minutes', { providers: [provider()], calls: { deadlineMs: 120_001 } }],
  ])('refuses %s', (_what, options) => {
    expect(() => createKeyring(options as KeyringOptions)).toThrow(
      expect.objectContaining({ name: 'MortiseError', code: 'ERR_CONFIG' }),
    )
  })

  it('accepts 8 providers, and options that are undefined', () => {
    expect(() => createKeyring({ providers: nine.slice(1) })).not.toThrow()
    const undefinedOptions = {
      store: undefined,
      domain: undefined,
      cache: { softTtlMs: undefined },
    }
    expect(() => createKeyring({ providers: [provider()], ...undefinedOptions })).not.toThrow()
  })

  it('is not changed by a later change of its options', async () => {
    const providers = [provider()]
    const keyring = createKeyring({ providers, store: memoryKeyStore() })
    providers.length = 0
    await keyring.ready()
    expect(await keyring.keys()).toHaveLength(2)
  })
})

describe('a keyring', () => {
  it('makes one key of each purpose, once', async () => {
    const scripted = scriptedProvider()
    const keyring = createKeyring({ providers: [scripted], store: memoryKeyStore() })
    await keyring.ready()
    await keyring.ready()
    const keys = await keyring.keys()
    expect(keys).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        purpose: 'data',
        version: 1,
        state: 'active',
        createdAt: expect.any(Date),
        providers: ['in-app:primary'],
      },
      expect.objectContaining({ purpose: 'index', version: 1, state: 'active' }),
    ])
    expect(scripted.calls).toMatchObject({ wrap: 2, unwrap: 2 })
  })

  it('needs a store', async () => {
    const keyring = createKeyring({ providers: [provider()] })
    const error = await rejection(keyring.ready(), 'ERR_CONFIG')
    expect(error.message).toMatch(/withEncryption/)
    await rejection(keyring.keys(), 'ERR_CONFIG')
  })

  it('shows its domain and provider URIs, and nothing else', async () => {
    const secret = generateRootKey()
    const store = scriptedStore(memoryKeyStore())
    const seen: Buffer[] = [Buffer.from(secret, 'base64url')]
    const inner = inAppKeyProvider({ name: 'primary', secret })
    const watching = {
      ...inner,
      uri: inner.uri,
      wrapKey: (key: Uint8Array, context: never) => {
        seen.push(Buffer.from(key))
        return inner.wrapKey(key, context)
      },
    }
    const keyring = createKeyring({ providers: [watching], store })
    await keyring.ready()
    const access = keyAccess(keyring)
    const dataKey = await access.sealingKey()
    seen.push(dataKey.dekWrapKey.export())
    const error = await rejection(access.openingKeys(['00'.repeat(8)]), 'ERR_KEY_NOT_FOUND')
    const deep = { depth: null, showHidden: true, getters: true } as const
    const shown = [keyring, { keyring }, access, keyControl(keyring), store, dataKey, error]
      .flatMap((value) => [inspect(value, deep), JSON.stringify(value) ?? '', String(value)])
      .join('\n')
    expect(seen).toHaveLength(4)
    for (const bytes of seen) {
      for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
        expect(shown).not.toContain(bytes.toString(form))
      }
      expect(shown).not.toContain([...bytes.subarray(0, 8)].join(','))
      expect(shown).not.toContain(bytes.toString('hex', 0, 8).replace(/..(?=.)/g, '$& '))
    }
    expect(inspect(keyring)).toBe('Keyring {"domain":"default","providers":["in-app:primary"]}')
    expect(JSON.parse(JSON.stringify(keyring))).toEqual({
      domain: 'default',
      providers: ['in-app:primary'],
    })
    expect(Object.keys(keyring)).toEqual(['domain', 'ready', 'keys', 'health', 'close'])
    expect(() => structuredClone(keyring)).toThrow()
  })

  it('is frozen', () => {
    const keyring = createKeyring({ providers: [provider()] })
    expect(() => Object.assign(keyring, { ready: () => undefined })).toThrow(TypeError)
  })
})

describe('keyAccess', () => {
  it('refuses what createKeyring did not make', () => {
    const keyring = createKeyring({ providers: [provider()] })
    for (const foreign of [
      { ...keyring },
      Object.create(keyring),
      {},
      null,
      undefined,
      'keyring',
    ]) {
      const config = expect.objectContaining({ code: 'ERR_CONFIG' })
      expect(() => keyAccess(foreign as Keyring)).toThrow(config)
      expect(() => keyControl(foreign as Keyring)).toThrow(config)
    }
  })
})

describe('close', () => {
  it('closes providers and store once, and ends every use', async () => {
    const [one, two] = [scriptedProvider('one'), scriptedProvider('two')]
    let closed = 0
    const store = {
      ...memoryKeyStore(),
      close: async () => {
        closed++
      },
    }
    const keyring = createKeyring({ providers: [one, two], store })
    await keyring.ready()
    const access = keyAccess(keyring)
    const { id } = await access.sealingKey()
    await Promise.all([keyring.close(), keyring.close()])
    await keyring.close()
    expect([one.calls.close, two.calls.close, closed]).toEqual([1, 1, 1])

    await rejection(keyring.ready(), 'ERR_CLOSED')
    await rejection(keyring.keys(), 'ERR_CLOSED')
    await rejection(access.sealingKey(), 'ERR_CLOSED')
    await rejection(access.openingKeys([id]), 'ERR_CLOSED')
    await rejection(access.openingKeys([]), 'ERR_CLOSED')
    await rejection(access.declareIndexes([]), 'ERR_CLOSED')
    await rejection(
      access.redeclareIndex({ fieldId: 'a', exact: null, range: null, next: null }),
      'ERR_CLOSED',
    )
    await rejection(access.knownFieldIds(), 'ERR_CLOSED')
    await rejection(access.tokenKey({ kind: 'field', name: 'a' }), 'ERR_CLOSED')
    await rejection(keyControl(keyring).addVersion('data'), 'ERR_CLOSED')
    const throwsClosed = expect.objectContaining({ code: 'ERR_CLOSED' })
    expect(() => access.loadedOpeningKey(id)).toThrow(throwsClosed)
    expect(() => access.attachStore({}, memoryKeyStore)).toThrow(throwsClosed)
  })

  it('works before the first use and without a store', async () => {
    const scripted = scriptedProvider()
    await createKeyring({ providers: [scripted] }).close()
    expect(scripted.calls.close).toBe(1)
  })

  it('closes everything even where one part fails, and says so', async () => {
    const broken = { ...scriptedProvider('one'), close: () => Promise.reject(new Error('stuck')) }
    const other = scriptedProvider('two')
    const providerError = await rejection(
      createKeyring({ providers: [broken, other] }).close(),
      'ERR_KEY_PROVIDER',
    )
    expect(providerError.cause).toMatchObject({ message: 'stuck' })
    expect(other.calls.close).toBe(1)

    const throwing = {
      ...memoryKeyStore(),
      close: () => {
        throw new Error('stuck too')
      },
    }
    const keyring = createKeyring({ providers: [scriptedProvider()], store: throwing })
    await rejection(keyring.close(), 'ERR_KEY_STORE')
    await rejection(keyring.ready(), 'ERR_CLOSED')
  })
})

describe('attachStore', () => {
  it('gives a keyring without a store the one of its owner, once', async () => {
    const keyring = createKeyring({ providers: [provider()] })
    const access = keyAccess(keyring)
    const owner = {}
    let made = 0
    const create = () => {
      made++
      return memoryKeyStore()
    }
    access.attachStore(owner, create)
    access.attachStore(owner, create)
    expect(made).toBe(1)
    await keyring.ready()
    expect(() => access.attachStore({}, create)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(/DataSource/) }),
    )
    expect(made).toBe(1)
  })

  it('gives a keyring that its owner released the store of another one', async () => {
    const keyring = createKeyring({ providers: [provider()] })
    const access = keyAccess(keyring)
    const [first, second] = [{}, {}]
    const stores = [memoryKeyStore(), memoryKeyStore()]
    const create = () => stores.shift() as KeyStore
    const [left, taken] = stores as [KeyStore, KeyStore]
    access.attachStore(first, create)
    access.releaseStore(second)
    expect(() => access.attachStore(second, create)).toThrow(/another DataSource/)
    access.releaseStore(first)
    access.attachStore(first, create)
    expect(() => access.attachStore(second, create)).toThrow(/another DataSource/)
    access.releaseStore(first)
    access.attachStore(second, create)
    await keyring.ready()
    expect((await left.loadKeys('default')).keys).toEqual([])
    expect((await taken.loadKeys('default')).keys).toHaveLength(2)
    expect(() => access.attachStore(first, create)).toThrow(/another DataSource/)
  })

  it('leaves a keyring that was made with a store alone', async () => {
    const store = memoryKeyStore()
    const keyring = createKeyring({ providers: [provider()], store })
    const create = () => expect.fail('a store was made')
    keyAccess(keyring).attachStore({}, create)
    keyAccess(keyring).attachStore({}, create)
    await keyring.ready()
    expect((await store.loadKeys('default')).keys).toHaveLength(2)
  })
})

describe('ready', () => {
  it('is one provider call for each key that may still be used, eight at a time', async () => {
    const scripted = scriptedProvider()
    const store = memoryKeyStore()
    const writer = createKeyring({ providers: [scripted], store })
    await writer.ready()
    for (let i = 0; i < 10; i++) await rotateKek(writer, { purpose: 'data' })
    const [oldest] = await writer.keys()
    await disableKey(writer, { keyId: oldest?.id ?? '' })
    let running = 0
    let most = 0
    let calls = 0
    const watching = {
      ...scripted,
      unwrapKey: async (wrapped: Uint8Array, context: KeyContext) => {
        calls++
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running--
        return scripted.unwrapKey(wrapped, context)
      },
    }
    await createKeyring({ providers: [watching], store }).ready()
    expect([calls, most]).toEqual([11, 8])
  })

  it.each([
    ['the key that seals', 1, 'no such key'],
    ['an older key, which concerns its own values only', 0, null],
  ])('when %s cannot be opened', async (_, index, failure) => {
    const scripted = scriptedProvider()
    const store = memoryKeyStore()
    const writer = createKeyring({ providers: [scripted], store })
    await writer.ready()
    await rotateKek(writer, { purpose: 'data' })
    const closed = (await writer.keys()).filter(({ purpose }) => purpose === 'data')[index]
    const refusing = {
      ...scripted,
      unwrapKey: async (wrapped: Uint8Array, context: KeyContext) => {
        if (context.id === closed?.id) throw new MortiseError('ERR_KEY_PROVIDER', 'no such key')
        return scripted.unwrapKey(wrapped, context)
      },
    }
    const reader = createKeyring({ providers: [refusing], store })
    const outcome = await reader.ready().catch((error: Error) => error.message)
    expect(outcome ?? null).toBe(failure)
    await rejection(keyAccess(reader).openingKeys([closed!.id]), 'ERR_KEY_PROVIDER')
  })
})

describe('wrapping', () => {
  it.each([
    ['local', 'provider'],
    ['provider', 'local'],
  ] as const)(
    'a data key made with %s does not seal with %s, and rotateKek changes that',
    async (made, wanted) => {
      const providers = [provider()]
      const store = memoryKeyStore()
      await createKeyring({ providers, store, wrapping: made }).ready()
      const keyring = createKeyring({ providers, store, wrapping: wanted })
      const access = keyAccess(keyring)
      for (const use of [
        () => access.sealingKeys([null]),
        () => access.sealingKey(),
        () => keyring.ready(),
      ]) {
        const error = await rejection(use(), 'ERR_CONFIG')
        expect(error.message).toMatch(new RegExp(`wrapping '${made}'.*'${wanted}'.*rotateKek`))
      }
      await rotateKek(keyring, { purpose: 'data' })
      await keyring.ready()
      expect((await access.sealingKeys([null])).size).toBe(1)
    },
  )
})
