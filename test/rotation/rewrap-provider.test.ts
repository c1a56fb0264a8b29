import { beforeEach, describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import type { Keyring } from '../../src/keys/keyring'
import { census } from '../../src/rotation/census'
import { disableKey } from '../../src/rotation/key-state'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rejection, type ScriptedProvider, scriptedProvider } from '../keys/fixtures'
import { unavailable } from './providers'
import { keyIdIn, makeKeyring, open, seal, type Target, tableOf, useTables } from './tables'

const tables = useTables()
let store: KeyStore
let kms: ScriptedProvider
let hsm: ScriptedProvider

/** A process; the first of its providers wraps. */
function processOf(wrapping: 'local' | 'provider', ...providers: ScriptedProvider[]): Keyring {
  return makeKeyring({ store, providers, wrapping, deks: { maxCached: 0, concurrency: 4 } })
}

const targetOf = (keyring: Keyring): Target =>
  tables.target(keyring, tableOf('person', ['id'], ['email', 'phone']))

async function insertPeople(keyring: Keyring, from: number, count: number): Promise<void> {
  for (let id = from; id < from + count; id++) {
    const [email, phone] = await seal(keyring, { email: `mail ${id}`, phone: `phone ${id}` })
    await tables.pool.query('INSERT INTO person VALUES ($1, $2, $3)', [id, email, phone])
  }
}

async function people(): Promise<{ id: number; email: Buffer; phone: Buffer }[]> {
  return (await tables.pool.query('SELECT * FROM person ORDER BY id')).rows
}

/** All values open in this process, and name this key. */
async function expectAll(keyring: Keyring, keyId: string, flag: number): Promise<void> {
  for (const { id, email, phone } of await people()) {
    expect(await open(keyring, 'email', email)).toBe(`mail ${id}`)
    expect(await open(keyring, 'phone', phone)).toBe(`phone ${id}`)
    expect([email, phone].map(keyIdIn)).toEqual([keyId, keyId])
    expect([email[1], phone[1]]).toEqual([flag, flag])
  }
}

beforeEach(async () => {
  await tables.pool.query('DROP TABLE IF EXISTS person')
  await tables.pool.query('CREATE TABLE person (id integer PRIMARY KEY, email bytea, phone bytea)')
  store = memoryKeyStore()
  kms = scriptedProvider('kms')
  hsm = scriptedProvider('hsm')
})

describe('rewrap where a provider wraps DEKs', () => {
  it('moves local values to it, one call per record, and back, without any value changing', async () => {
    const local = processOf('local', kms)
    await insertPeople(local, 0, 5)
    const ciphertexts = async () =>
      (await people()).map(({ email }) => email.subarray(email.length - 16).toString('hex'))
    const before = await ciphertexts()
    const strict = processOf('provider', kms)
    const { keyId } = await rotateKek(strict, { purpose: 'data' })
    const { wrap } = kms.calls
    expect(await rewrap(targetOf(strict), { batchSize: 2 })).toMatchObject({
      keyId,
      done: 10,
      failedCount: 0,
    })
    expect(kms.calls.wrap).toBe(wrap + 5)
    await expectAll(strict, keyId, 0x08)
    expect(await rewrap(targetOf(strict))).toMatchObject({ done: 0, current: 10 })
    expect(kms.calls.wrap).toBe(wrap + 5)
    const back = await rotateKek(local, { purpose: 'data' })
    const { unwrap } = kms.calls
    expect(await rewrap(targetOf(local))).toMatchObject({ keyId: back.keyId, done: 10 })
    expect(kms.calls.unwrap).toBe(unwrap + 5)
    await expectAll(local, back.keyId, 0)
    expect(await ciphertexts()).toEqual(before)
  })

  it('moves values between providers, with blobs of other lengths', async () => {
    const { wrapKey, unwrapKey } = hsm
    hsm.wrapKey = async (...call) => Buffer.concat([Buffer.alloc(984, 7), await wrapKey(...call)])
    hsm.unwrapKey = (wrapped, context) => unwrapKey(wrapped.subarray(984), context)
    const first = processOf('provider', kms, hsm)
    await insertPeople(first, 0, 3)
    const second = processOf('provider', hsm, kms)
    const { keyId, previousKeyId } = await rotateKek(second, { purpose: 'data' })
    await insertPeople(second, 3, 1)
    expect(await rewrap(targetOf(second))).toMatchObject({ done: 6, current: 2 })
    await disableKey(second, { keyId: previousKeyId as string })
    await expectAll(processOf('provider', hsm), keyId, 0x08)
    expect((await people()).map(({ email }) => email.readUInt16BE(10))).toEqual(Array(4).fill(1024))
    expect(await census(targetOf(second))).toMatchObject([
      { column: 'email', keyId, keyVersion: 2, subject: false, count: 4 },
      { column: 'phone', keyId, keyVersion: 2, subject: false, count: 4 },
    ])
  })

  it('leaves what was changed, and moves the rest', async () => {
    const strict = processOf('provider', kms)
    await insertPeople(strict, 0, 3)
    const change = (id: number, at: number): Promise<unknown> =>
      tables.pool.query(
        'UPDATE person SET email = set_byte(email, $2::int, get_byte(email, $2::int) # 1) WHERE id = $1',
        [id, at],
      )
    await change(0, 14)
    await change(1, 60)
    await tables.pool.query(
      `UPDATE person SET email = overlay(email placing '\\x0000' from 11 for 2) WHERE id = 2`,
    )
    const local = processOf('local', kms)
    await rotateKek(local, { purpose: 'data' })
    const report = await rewrap(targetOf(local))
    expect(report).toMatchObject({ done: 3, failedCount: 3 })
    expect(report.failed.map(({ primaryKey, code }) => [primaryKey.id, code])).toEqual([
      ['0', 'ERR_DECRYPTION_FAILED'],
      ['1', 'ERR_DECRYPTION_FAILED'],
      ['2', 'ERR_ENVELOPE_MALFORMED'],
    ])
  })

  it.each([
    ['no blob', '0000'],
    ['a blob past the longest', '0401'],
    ['a blob past the end', '0400'],
    ['no length', ''],
  ])('reports a value that announces %s', async (_, length) => {
    const strict = processOf('provider', kms)
    await insertPeople(strict, 0, 1)
    const email = (await people())[0]?.email as Buffer
    const rest = length === '' ? '' : 'ab'.repeat(500)
    await tables.pool.query(`UPDATE person SET email = decode($1, 'hex')`, [
      `${email.toString('hex', 0, 10)}${length}${rest}`,
    ])
    await rotateKek(strict, { purpose: 'data' })
    const report = await rewrap(targetOf(strict))
    expect(report).toMatchObject({ done: 1, failedCount: 1 })
    expect(report.failed[0]?.code).toBe('ERR_ENVELOPE_MALFORMED')
  })

  it('does not take the kind of a key from the envelope', async () => {
    const local = processOf('local', kms)
    await insertPeople(local, 0, 1)
    await tables.pool.query(
      `UPDATE person SET email = overlay(set_byte(email, 1, 8) placing '\\x0028' from 11 for 2)`,
    )
    await rotateKek(local, { purpose: 'data' })
    const { unwrap } = kms.calls
    const report = await rewrap(targetOf(local))
    expect(report.failed.map(({ column, code }) => [column, code])).toEqual([
      ['email', 'ERR_KEY_NOT_FOUND'],
    ])
    expect(report.done).toBe(1)
    expect(kms.calls.unwrap).toBe(unwrap)
  })

  it('ends where the provider does not serve: that is no fault of a value', async () => {
    const strict = processOf('provider', kms)
    await insertPeople(strict, 0, 3)
    const local = processOf('local', hsm, kms)
    await rotateKek(local, { purpose: 'data' })
    kms.failure = unavailable()
    await rejection(rewrap(targetOf(local)), 'ERR_KEY_PROVIDER')
    kms.failure = undefined
    const moving = processOf('provider', hsm, kms)
    await rotateKek(moving, { purpose: 'data' })
    const { wrapKey } = hsm
    hsm.wrapKey = () => Promise.reject(unavailable())
    await rejection(rewrap(targetOf(moving)), 'ERR_KEY_PROVIDER')
    hsm.wrapKey = wrapKey
    expect(await rewrap(targetOf(moving))).toMatchObject({ done: 6 })
  })

  it('ends where the key is no longer the active one, and can be run again', async () => {
    const strict = processOf('provider', kms)
    await insertPeople(strict, 0, 2)
    await rotateKek(strict, { purpose: 'data' })
    const target = targetOf(strict)
    target.before = async (sql) => {
      if (!sql.includes('LIMIT $2')) return
      target.before = undefined
      await rotateKek(processOf('provider', kms), { purpose: 'data' })
    }
    const error = await rejection(rewrap(target), 'ERR_KEY_STATE')
    expect(error).toMatchObject({ retryable: true })
    expect(await rewrap(target)).toMatchObject({ done: 4 })
  })

  it('asks for as many DEKs at a time as the keyring allows', async () => {
    const strict = processOf('provider', kms)
    await insertPeople(strict, 0, 30)
    const running = { now: 0, most: 0 }
    const { unwrapKey } = kms
    kms.unwrapKey = async (...call) => {
      running.most = Math.max(running.most, ++running.now)
      await new Promise(setImmediate)
      running.now--
      return unwrapKey(...call)
    }
    const local = processOf('local', kms)
    await rotateKek(local, { purpose: 'data' })
    running.most = 0
    expect(await rewrap(targetOf(local))).toMatchObject({ done: 60 })
    expect(running).toEqual({ now: 0, most: 4 })
  })
})
