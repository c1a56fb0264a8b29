import { beforeEach, describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Keyring } from '../../src/keys/keyring'
import { reencrypt } from '../../src/rotation/reencrypt'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { verify } from '../../src/rotation/verify'
import { rejection, type ScriptedProvider, scriptedProvider } from '../keys/fixtures'
import { unavailable } from './providers'
import { keyIdIn, makeKeyring, open, seal, type Target, tableOf, useTables } from './tables'

const tables = useTables()
let kms: ScriptedProvider
let isDown = false
let local: Keyring
let strict: Keyring

const targetOf = (keyring: Keyring): Target =>
  tables.target(keyring, tableOf('person', ['id'], ['email', 'phone']))

beforeEach(async () => {
  await tables.pool.query('DROP TABLE IF EXISTS person')
  await tables.pool.query('CREATE TABLE person (id integer PRIMARY KEY, email bytea, phone bytea)')
  kms = scriptedProvider('kms')
  isDown = false
  const wrapKey: typeof kms.wrapKey = async (...given) => {
    if (isDown) throw unavailable()
    return kms.wrapKey(...given)
  }
  const process = { store: memoryKeyStore(), providers: [{ ...kms, wrapKey }] }
  local = makeKeyring({ ...process, wrapping: 'local' })
  strict = makeKeyring({ ...process, wrapping: 'provider', deks: { maxCached: 0, concurrency: 4 } })
  for (let id = 0; id < 5; id++) {
    const sealed = await seal(local, { email: `mail ${id}`, phone: `phone ${id}` })
    await tables.pool.query('INSERT INTO person VALUES ($1, $2, $3)', [id, ...sealed])
  }
})

async function expectAll(keyring: Keyring, keyId: string, flag: number): Promise<void> {
  const { rows } = await tables.pool.query('SELECT * FROM person ORDER BY id')
  for (const { id, email, phone } of rows) {
    expect([email, phone].map(keyIdIn)).toEqual([keyId, keyId])
    expect([email[1], phone[1]]).toEqual([flag, flag])
    expect(await open(keyring, 'email', email)).toBe(`mail ${id}`)
    expect(await open(keyring, 'phone', phone)).toBe(`phone ${id}`)
  }
}

describe('reencrypt and verify where a provider wraps DEKs', () => {
  it('call it once for each record, in either direction', async () => {
    const { keyId } = await rotateKek(strict, { purpose: 'data' })
    const { wrap } = kms.calls
    expect(await reencrypt(targetOf(strict), { batchSize: 2 })).toMatchObject({ keyId, done: 10 })
    expect(kms.calls.wrap).toBe(wrap + 5)
    await expectAll(strict, keyId, 8)
    for (const open of [false, true]) {
      const { unwrap } = kms.calls
      expect(await verify(targetOf(strict), { open })).toMatchObject({ done: 10, failedCount: 0 })
      expect(kms.calls.unwrap).toBe(unwrap + 5)
    }
    const back = await rotateKek(local, { purpose: 'data' })
    expect(await reencrypt(targetOf(local))).toMatchObject({ done: 10, failedCount: 0 })
    await expectAll(local, back.keyId, 0)
  })

  it('stop while it does not answer, and go on later without doing anything twice', async () => {
    const { keyId } = await rotateKek(strict, { purpose: 'data' })
    const target = targetOf(strict)
    target.before = (sql) => {
      isDown ||= /^WITH page/.test(sql)
    }
    const error = await rejection(reencrypt(target, { batchSize: 2 }), 'ERR_KEY_PROVIDER')
    expect(error.message).not.toContain('mail')
    target.before = undefined
    isDown = false
    // What was sealed before the first page was written is written as well: one page or two.
    const { rows } = await tables.pool.query<{ email: Buffer }>('SELECT email FROM person')
    const sealed = rows.filter(({ email }) => keyIdIn(email) === keyId).length
    expect([2, 4]).toContain(sealed)
    const { wrap } = kms.calls
    expect(await reencrypt(target, { batchSize: 2 })).toMatchObject({ done: 10, failedCount: 0 })
    expect(kms.calls.wrap).toBe(wrap + 5 - sealed)
  })
})
