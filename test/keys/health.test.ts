import { afterEach, describe, expect, it, vi } from 'vitest'
import { nativeStatus } from '../../src/crypto/native'
import { MortiseError } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import { createKeyring } from '../../src/keys/keyring'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { afterTime, eventLog, rejection, scriptedStore } from './fixtures'
import { type FaultyProvider, faultyProvider } from './scripted-calls'

async function ready(names = ['primary']) {
  const providers = names.map((name) => faultyProvider(name))
  const store = scriptedStore(memoryKeyStore())
  const log = eventLog()
  const keyring = createKeyring({ providers, store, onEvent: log.onEvent })
  await keyring.ready()
  for (const { calls } of providers) calls.length = 0
  return { providers, store, keyring, ...log }
}

describe('health', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('of a keyring that is well: every part proven, no secret shown', async () => {
    const { keyring, providers, all } = await ready(['primary', 'second'])
    const [data, index] = await keyring.keys()
    const health = await keyring.health()
    const well = { ok: true, latencyMs: expect.any(Number), failure: null, message: null }
    const key = {
      version: 1,
      state: 'active',
      cached: true,
      wraps: ['in-app:primary'],
      missing: ['in-app:second'],
    }
    expect(health).toEqual({
      ok: true,
      providers: [
        { uri: 'in-app:primary', ...well, breaker: 'closed' },
        { uri: 'in-app:second', ...well, breaker: 'closed' },
      ],
      store: { ok: true, epoch: 2, message: null },
      native: nativeStatus(),
      keys: expect.arrayContaining([
        { ...key, id: data?.id, purpose: 'data' },
        { ...key, id: index?.id, purpose: 'index' },
      ]),
    })
    expect(providers[0]?.calls).toEqual(['wrap', 'unwrap'])
    expect(all).toContainEqual(
      expect.objectContaining({ type: 'provider-call', operation: 'canary', outcome: 'ok' }),
    )
  })

  it('of a provider that fails: its class and message, after one attempt, and the others', async () => {
    const { keyring, providers } = await ready(['primary', 'second'])
    const [primary] = providers as [FaultyProvider]
    const details = { failure: 'transient', retryable: true } as const
    const throttled = new MortiseError('ERR_KEY_PROVIDER', 'throttled', details)
    primary.script = (call) => (call === 'unwrap' ? throttled : 'ok')
    const health = await keyring.health()
    expect(health.ok).toBe(false)
    expect(health.providers).toMatchObject([
      { ok: false, failure: 'transient', message: 'throttled', breaker: 'closed' },
      { ok: true },
    ])
    expect(primary.calls).toEqual(['wrap', 'unwrap'])
    for (let i = 0; i < 4; i++) await keyring.health()
    expect((await keyring.health()).providers[0]?.breaker).toBe('open')
  })

  it('of a provider that does not answer takes as long as one attempt', async () => {
    const { keyring, providers } = await ready()
    vi.useFakeTimers()
    for (const provider of providers) provider.script = () => 'hang'
    const health = await afterTime(2_000, keyring.health())
    expect(health.providers[0]).toMatchObject({ ok: false, failure: 'transient', latencyMs: 2_000 })
  })

  it('of a provider that gives other bytes back', async () => {
    const provider = { ...faultyProvider(), unwrapKey: async () => Buffer.alloc(32) }
    const keyring = createKeyring({ providers: [provider], store: memoryKeyStore() })
    const [health] = (await keyring.health()).providers
    expect(health).toMatchObject({ ok: false, failure: 'integrity' })
  })

  it('hides the text of errors of unknown origin', async () => {
    const { keyring, providers, store } = await ready()
    for (const provider of providers) provider.script = () => new Error('PIN 1234')
    Object.assign(store, { loadKeys: () => Promise.reject(new Error('password hunter2')) })
    const health = await keyring.health()
    expect(health).toMatchObject({
      ok: false,
      providers: [{ ok: false, failure: null }],
      store: { ok: false, epoch: null },
      keys: [],
    })
    expect(JSON.stringify(health)).not.toMatch(/1234|hunter2/)
  })

  it('of a key store that cannot be used says why', async () => {
    const keyring = createKeyring({ providers: [faultyProvider()] })
    const { store, ok } = await keyring.health()
    expect([ok, store.message]).toEqual([false, expect.stringMatching(/no key store/)])
  })

  it('of keys: not cached, disabled, wrapped by nobody who is configured', async () => {
    const { keyring, store } = await ready()
    const [data] = await keyring.keys()
    await rotateKek(keyring, { purpose: 'data' })
    await disableKey(keyring, { keyId: data?.id ?? '' })
    expect((await keyring.health()).keys).toContainEqual(
      expect.objectContaining({ id: data?.id, state: 'disabled', cached: false }),
    )
    const strange = createKeyring({ providers: [faultyProvider('strange')], store })
    const health = await strange.health()
    expect(health).toMatchObject({ ok: false, providers: [{ ok: true }], store: { ok: true } })
  })

  it('is refused after close', async () => {
    const { keyring } = await ready()
    await keyring.close()
    await rejection(keyring.health(), 'ERR_CLOSED')
  })
})
