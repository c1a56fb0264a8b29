import { describe, expect, it } from 'vitest'
import { keyAccess } from '../../src/keys/keyring'
import { disableKey, enableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { readyKeyring, rejection, versions } from '../keys/fixtures'

describe('disableKey and enableKey', () => {
  async function withOldKey() {
    const { keyring, store } = await readyKeyring()
    const access = keyAccess(keyring)
    const old = await access.sealingKey()
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    return { keyring, store, access, old: { keyId: old.id }, active: { keyId } }
  }

  it('take a key away at once, and give it back for opening', async () => {
    const { keyring, access, old } = await withOldKey()
    await disableKey(keyring, old)
    expect(access.loadedOpeningKey(old.keyId)).toBeUndefined()
    const error = await rejection(access.openingKeys([old.keyId]), 'ERR_KEY_STATE')
    expect(error.message).toMatch(/enableKey/)
    await enableKey(keyring, old)
    expect((await access.openingKeys([old.keyId])).size).toBe(1)
    expect(await versions(keyring, 'data')).toEqual([
      [1, 'decrypt-only'],
      [2, 'active'],
    ])
  })

  it('change nothing where the key is in that state already', async () => {
    const { keyring, store, old, active } = await withOldKey()
    await disableKey(keyring, old)
    const epoch = await store.loadEpoch('default')
    await disableKey(keyring, old)
    await enableKey(keyring, active)
    expect(await store.loadEpoch('default')).toBe(epoch)
    await enableKey(keyring, old)
    await enableKey(keyring, old)
    expect(await store.loadEpoch('default')).toBe(epoch + 1)
  })

  it('refuse the active key, a destroyed one, and ids that are none', async () => {
    const { keyring, store, old, active } = await withOldKey()
    const error = await rejection(disableKey(keyring, active), 'ERR_KEY_STATE')
    expect(error.message).toMatch(/rotateKek/)
    for (const change of [disableKey, enableKey]) {
      await rejection(change(keyring, { keyId: 'ffffffffffffffff' }), 'ERR_KEY_NOT_FOUND')
      await rejection(change(keyring, { keyId: 'FFFF' }), 'ERR_CONFIG')
    }
    await store.changeState(old.keyId, 'decrypt-only', 'destroyed')
    await rejection(disableKey(keyring, old), 'ERR_KEY_STATE')
    await rejection(enableKey(keyring, old), 'ERR_KEY_STATE')
  })

  it('look again where another process changed the key meanwhile', async () => {
    const { keyring, store, old } = await withOldKey()
    const { changeState } = store
    store.changeState = async (id, from) => {
      store.changeState = changeState
      await changeState(id, from, 'disabled')
      return false
    }
    await disableKey(keyring, old)
    expect((await keyring.keys())[0]).toMatchObject({ state: 'disabled' })
    store.changeState = async () => false
    const error = await rejection(enableKey(keyring, old), 'ERR_KEY_STORE')
    expect(error).toMatchObject({ retryable: true })
  })
})
