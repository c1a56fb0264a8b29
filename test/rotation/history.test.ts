import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { addProvider } from '../../src/rotation/add-provider'
import { dropProvider } from '../../src/rotation/drop-provider'
import { history } from '../../src/rotation/history'
import { type HistoryRecord, recorded, recordHistory } from '../../src/rotation/history-record'
import { disableKey, enableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rotateRoot } from '../../src/rotation/rotate-root'
import { replayTombstones, shred } from '../../src/rotation/shred'
import { verifyHistory } from '../../src/rotation/verify-history'
import { readyKeyring, rejection, scriptedProvider } from '../keys/fixtures'
import { makeKeyring, seal } from './tables'

const lastOf = async (keyring: Keyring) => (await history(keyring)).at(-1)

describe('history', () => {
  it('is empty before the first operation', async () => {
    expect(await history(makeKeyring())).toEqual([])
  })

  it('tells of a rotation when it began and when it had ended, by whom and why', async () => {
    const { keyring } = await readyKeyring()
    const before = Date.now()
    const options = { purpose: 'data', actor: 'ops@bastion', reason: 'yearly' } as const
    const { keyId, previousKeyId } = await rotateKek(keyring, options)
    const [begun, ended, ...others] = await history(keyring)
    expect(others).toEqual([])
    const common = { verb: 'rotateKek', actor: 'ops@bastion', reason: 'yearly', counts: {} }
    expect(begun).toMatchObject({
      ...common,
      ...{ sequence: 1, phase: 'begun', endedAt: null, outcome: null, keyIds: [] },
      parameters: { purpose: 'data' },
    })
    expect(ended).toMatchObject({
      ...common,
      ...{ sequence: 2, phase: 'ended', outcome: 'done', keyIds: [keyId, previousKeyId] },
      ...{ operation: begun?.operation, beganAt: begun?.beganAt },
      parameters: { purpose: 'data', version: 2 },
    })
    const times = [begun?.beganAt, ended?.endedAt].map((time) => Date.parse(time ?? ''))
    expect(times[0]).toBeGreaterThanOrEqual(before)
    expect(times[1]).toBeGreaterThanOrEqual(times[0] as number)
    expect(await history(keyring, { after: 1 })).toEqual([ended])
  })

  it('holds every verb on keys', async () => {
    const provider = scriptedProvider('one')
    const store = memoryKeyStore()
    const keyring = createKeyring({ providers: [provider], store, cache: { epochPollMs: 0 } })
    await keyring.ready()
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    const keyId = previousKeyId as string
    await disableKey(keyring, { keyId, actor: 'a', reason: 'r' })
    expect(await lastOf(keyring)).toMatchObject({
      ...{ verb: 'disableKey', keyIds: [keyId], counts: { changed: 1 }, actor: 'a', reason: 'r' },
    })
    await disableKey(keyring, { keyId })
    expect(await lastOf(keyring)).toMatchObject({ counts: { changed: 0 } })
    await enableKey(keyring, { keyId })
    expect(await lastOf(keyring)).toMatchObject({ verb: 'enableKey', counts: { changed: 1 } })
    await addProvider(keyring, { provider: scriptedProvider('two'), actor: 'b' })
    const providerUri = 'in-app:two'
    expect(await lastOf(keyring)).toMatchObject({
      ...{ verb: 'addProvider', counts: { added: 3, present: 0, skipped: 0 }, actor: 'b' },
      parameters: { providerUri },
    })
    await rotateRoot(keyring, { reason: 'root' })
    expect(await lastOf(keyring)).toMatchObject({
      ...{ verb: 'rotateRoot', counts: { rewrapped: 3, skipped: 0 }, reason: 'root' },
      parameters: { from: 'in-app:one', to: 'in-app:one' },
    })
    await dropProvider(keyring, { uri: providerUri })
    expect(await lastOf(keyring)).toMatchObject({
      ...{ verb: 'dropProvider', counts: { dropped: 3 }, parameters: { providerUri } },
    })
    expect(await verifyHistory(keyring)).toMatchObject({ holds: true, unfinished: [] })
  })

  it('names destroyed subject keys and the certificate, but no subject', async () => {
    const keyring = makeKeyring()
    await seal(keyring, { email: 'a' }, { subject: 'tenant-7' })
    const certificate = await shred(keyring, {
      subject: 'tenant-7',
      actor: 'desk',
      reason: 'art. 17',
    })
    const keyIds = certificate.keys.map(({ id }) => id)
    expect(keyIds).toHaveLength(1)
    expect(await lastOf(keyring)).toMatchObject({
      ...{ verb: 'shred', keyIds, actor: 'desk', reason: 'art. 17' },
      counts: { destroyed: 1, clearedRows: 0 },
      parameters: { certificate: certificate.checksum, keyId: keyIds[0] },
    })
    await replayTombstones(keyring, [certificate], { actor: 'restore' })
    expect(await lastOf(keyring)).toMatchObject({
      ...{
        verb: 'replayTombstones',
        keyIds,
        counts: { keys: 1, clearedRows: 0 },
        actor: 'restore',
      },
    })
    expect(JSON.stringify(await history(keyring))).not.toContain('tenant-7')
  })

  it('keeps what failed, with the code and nothing else of the error', async () => {
    const { keyring } = await readyKeyring()
    const keyId = (await keyring.keys())[0]?.id as string
    await rejection(disableKey(keyring, { keyId }), 'ERR_KEY_STATE')
    expect(await lastOf(keyring)).toMatchObject({
      ...{ phase: 'ended', outcome: 'failed' },
      parameters: { keyId, error: 'ERR_KEY_STATE' },
    })
  })

  it.each([7, 'x'.repeat(1001), 'a\0b'])('refuses %j as actor or reason', async (words) => {
    const { keyring } = await readyKeyring()
    for (const option of ['actor', 'reason']) {
      const options = { purpose: 'data', [option]: words } as never
      const { message } = await rejection(rotateKek(keyring, options), 'ERR_CONFIG')
      expect(message).toContain(option)
    }
    expect(await history(keyring)).toEqual([])
  })
})

describe('an operation whose record cannot be written', () => {
  it('is not begun', async () => {
    const { keyring, store } = await readyKeyring()
    store.appendHistory = async () => {
      throw Object.assign(new Error('no'), { code: 'ERR_KEY_STORE' })
    }
    await expect(rotateKek(keyring, { purpose: 'data' })).rejects.toThrow('no')
    expect(await keyring.keys()).toHaveLength(2)
  })

  it('says that it is done where the second record is missing, and stays visible', async () => {
    const { keyring, store } = await readyKeyring()
    const { appendHistory } = store
    store.appendHistory = async (domain, text) => {
      if (text.id.endsWith('ended')) throw new Error('gone')
      return appendHistory(domain, text)
    }
    const error = await rejection(rotateKek(keyring, { purpose: 'data' }), 'ERR_HISTORY')
    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('is done') })
    expect(await keyring.keys()).toHaveLength(3)
    const { holds, unfinished } = await verifyHistory(keyring)
    expect(holds).toBe(true)
    expect(unfinished).toMatchObject([{ verb: 'rotateKek', phase: 'begun' }])
    expect(error.message).toContain(unfinished[0]?.operation)
  })

  it('fails with its own error where it failed as well', async () => {
    const { keyring, store } = await readyKeyring()
    const work = async (): Promise<never> => {
      store.appendHistory = async () => Promise.reject(new Error('gone'))
      throw new RangeError('first')
    }
    const doing = recorded(keyring, { verb: 'verify' }, work, () => ({}))
    await expect(doing).rejects.toThrow('first')
  })
})

describe('recordHistory', () => {
  const record: HistoryRecord = {
    ...{
      operation: 'job-1',
      phase: 'ended',
      verb: 'rewrap',
      outcome: 'done',
      actor: '',
      reason: '',
    },
    ...{ beganAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T01:00:00.000Z' },
    ...{ keyIds: ['00'.repeat(8)], counts: { b: 1, a: 2 }, parameters: { z: null, y: 'x' } },
  }

  it('keeps one record for one end of one job, and its members in one order', async () => {
    const keyring = makeKeyring()
    const first = await recordHistory(keyring, record)
    expect(await recordHistory(keyring, { ...record, counts: { a: 9 } })).toEqual(first)
    expect(await history(keyring)).toEqual([{ ...record, sequence: 1, checksum: first.checksum }])
    const other = makeKeyring()
    const turned = { ...record, counts: { a: 2, b: 1 }, parameters: { y: 'x', z: null } }
    expect((await recordHistory(other, turned)).checksum).toBe(first.checksum)
  })

  it('is refused by a closed keyring', async () => {
    const keyring = makeKeyring()
    await keyring.close()
    await rejection(recordHistory(keyring, record), 'ERR_CLOSED')
    await rejection(history(keyring), 'ERR_CLOSED')
  })
})
