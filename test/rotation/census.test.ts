import { beforeEach, describe, expect, it } from 'vitest'
import type { Keyring } from '../../src/keys/keyring'
import { census } from '../../src/rotation/census'
import { disableKey } from '../../src/rotation/key-state'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rejection } from '../keys/fixtures'
import { keyIdIn, makeKeyring, seal, type Target, tableOf, useTables } from './tables'

const tables = useTables()
let keyring: Keyring
let target: Target

async function insert(id: number, email: Buffer | null, phone: Buffer | null): Promise<void> {
  await tables.pool.query('INSERT INTO person VALUES ($1, $2, $3)', [id, email, phone])
}

async function insertSealed(id: number): Promise<string> {
  const [email, phone] = (await seal(keyring, { email: 'a', phone: 'b' })) as [Buffer, Buffer]
  await insert(id, email, phone)
  return keyIdIn(email)
}

const rotate = async (): Promise<string> => (await rotateKek(keyring, { purpose: 'data' })).keyId

const common = (column: string) => {
  return { table: 'person', column, field: `Person.${column}`, format: 1, subject: false }
}

beforeEach(async () => {
  await tables.pool.query('DROP TABLE IF EXISTS person')
  await tables.pool.query('CREATE TABLE person (id integer PRIMARY KEY, email bytea, phone bytea)')
  keyring = makeKeyring()
  target = tables.target(keyring, tableOf('person', ['id'], ['email', 'phone']))
})

describe('census', () => {
  it('counts values per column and key, before and after a rewrap', async () => {
    const first = await insertSealed(1)
    await insertSealed(2)
    const second = await rotate()
    await insertSealed(3)
    const [email] = await seal(keyring, { email: 'only' })
    await insert(4, email as Buffer, null)
    const old = { keyId: first, keyVersion: 1, state: 'decrypt-only' }
    const active = { keyId: second, keyVersion: 2, state: 'active' }
    const byKey = (a: { keyId: string }, b: { keyId: string }) => (a.keyId < b.keyId ? -1 : 1)
    expect(await census(target)).toEqual([
      ...[
        { ...common('email'), ...old, count: 2 },
        { ...common('email'), ...active, count: 2 },
      ].sort(byKey),
      ...[
        { ...common('phone'), ...old, count: 2 },
        { ...common('phone'), ...active, count: 1 },
      ].sort(byKey),
    ])
    await rewrap(target)
    expect(await census(target)).toEqual([
      { ...common('email'), ...active, count: 4 },
      { ...common('phone'), ...active, count: 3 },
    ])
  })

  it('is empty for empty tables and columns', async () => {
    expect(await census(target)).toEqual([])
    await insert(1, null, null)
    expect(await census(target)).toEqual([])
  })

  it('shows the state of each key, and keys that the keyring does not have', async () => {
    const keyId = await insertSealed(1)
    await rotate()
    await disableKey(keyring, { keyId })
    expect((await census(target))[0]).toMatchObject({ keyId, keyVersion: 1, state: 'disabled' })
    const stranger = tables.target(makeKeyring(), tableOf('person', ['id']))
    expect(await census(stranger)).toEqual([
      { ...common('email'), keyId, keyVersion: null, state: null, count: 1 },
    ])
  })

  it('puts what is no envelope into one row, and names other format versions', async () => {
    const none = { keyId: null, keyVersion: null, state: null }
    const other = Buffer.from(`e200${'ab'.repeat(8)}`, 'hex')
    const values = ['', 'e1', 'ada@example.com', 'grace@example.com', `e1${'0'.repeat(8)}`]
    for (const [i, text] of values.entries()) {
      const bytes = Buffer.from(text, text.startsWith('e1') ? 'hex' : 'utf8')
      await insert(i, bytes, i === 0 ? other : null)
    }
    expect(await census(target)).toEqual([
      { ...common('email'), ...none, format: null, count: values.length },
      { ...common('phone'), ...none, keyId: 'ab'.repeat(8), format: 2, count: 1 },
    ])
  })

  it('reads no value: one statement per table, whose answer is counts', async () => {
    await insertSealed(1)
    await census(target)
    expect(target.sent).toHaveLength(1)
    expect(Object.keys(target.sent[0]?.rows[0] ?? {})).toEqual([
      'place',
      'mark',
      'subject',
      'key_id',
      'count',
    ])
  })

  it('refuses an object that holds no encrypted tables', async () => {
    const { message } = await rejection(census({}), 'ERR_CONFIG')
    expect(message).toContain('withEncryption')
  })
})
