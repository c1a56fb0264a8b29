import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyEvent } from '../../src/keys/events'
import { createKeyring } from '../../src/keys/keyring'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { eventLog, scriptedProvider } from './fixtures'

describe('onEvent', () => {
  it('is told of keys made, rotated and disabled', async () => {
    const { events, onEvent } = eventLog()
    const providers = [scriptedProvider()]
    const keyring = createKeyring({ providers, store: memoryKeyStore(), onEvent })
    await keyring.ready()
    const [data, index] = await keyring.keys()
    const rotated = await rotateKek(keyring, { purpose: 'data' })
    await disableKey(keyring, { keyId: data?.id ?? '' })
    const of = (purpose: string, keyId: unknown, version = 1) => ({
      domain: 'default',
      purpose,
      keyId,
      version,
    })
    const changes = events.filter(({ type }) => /^key-(created|state-changed)$/.test(type))
    expect(changes).toEqual([
      { type: 'key-created', ...of('data', data?.id), previousKeyId: null },
      { type: 'key-created', ...of('index', index?.id), previousKeyId: null },
      { type: 'key-created', ...of('data', rotated.keyId, 2), previousKeyId: data?.id },
      { type: 'key-state-changed', ...of('data', data?.id), from: 'decrypt-only', to: 'disabled' },
    ])
  })

  it.each<[string, (event: KeyEvent) => unknown]>([
    [
      'throws',
      () => {
        throw new Error('logging is down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('logging is down'))],
  ])('breaks nothing where it %s', async (_how, handler) => {
    const store = memoryKeyStore()
    const providers = [scriptedProvider()]
    const onEvent = handler as (event: KeyEvent) => void
    const keyring = createKeyring({ providers, store, onEvent })
    await keyring.ready()
    await rotateKek(keyring, { purpose: 'index' })
    expect(await keyring.keys()).toHaveLength(3)
  })
})
