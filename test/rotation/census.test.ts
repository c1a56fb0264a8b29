import { beforeEach, describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Keyring } from '../../src/keys/keyring'
import { census } from '../../src/rotation/census'
import { disableKey } from '../../src/rotation/key-state'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { type EncryptedTableColumn, registerSchema, schemaOf } from '../../src/schema'
import { someIndex } from '../key-store/records'
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
  const place = { table: 'person', column, field: `Person.${column}` }
  return { ...place, format: 1, subject: false, generation: null }
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

  it('counts tokens by the generation of their index, and names its key', async () => {
    const store = memoryKeyStore()
    keyring = makeKeyring({ store })
    const field = (tableOf('person', ['id'], ['email']).columns[0] ?? {}) as EncryptedTableColumn
    const indexed = { ...field, exactColumn: 'phone', indexColumns: ['phone'] }
    target = tables.target(keyring, { ...tableOf('person', ['id']), columns: [indexed] })
    await keyring.ready()
    await rotateKek(keyring, { purpose: 'index' })
    const [first, second] = (await keyring.keys())
      .filter(({ purpose }) => purpose === 'index')
      .map(({ id }) => id) as [string, string]
    const record = someIndex({ range: null })
    await store.insertIndexes([
      { ...record, indexKeyId: first },
      { ...record, generation: 2, indexKeyId: second, state: 'required' },
      { ...record, name: 'person.other', generation: 3, indexKeyId: first },
    ])
    const tokens = ['01aa', '01bb', '02cc', '03dd', '']
    const [email] = await seal(keyring, { email: 'a' })
    for (const [id, token] of tokens.entries()) {
      await insert(id, email as Buffer, Buffer.from(token, 'hex'))
    }
    const rows = (await census(target)).filter(({ column }) => column === 'phone')
    const place = { table: 'person', column: 'phone', field: 'Person.email', subject: false }
    const unknown = { ...place, format: null, keyId: null, keyVersion: null, state: null }
    expect(rows).toEqual([
      { ...unknown, generation: 0, count: 1 },
      { ...unknown, generation: 1, keyId: first, keyVersion: 1, state: 'decrypt-only', count: 2 },
      { ...unknown, generation: 2, keyId: second, keyVersion: 2, state: 'active', count: 1 },
      { ...unknown, generation: 3, count: 1 },
    ])
    const named = (await census(target)).filter(({ table }) => table === 'mortise_index')
    expect(named.map(({ keyId, count }) => [keyId, count]).sort()).toEqual(
      [
        [first, 2],
        [second, 1],
      ].sort(),
    )
    expect(target.sent.filter(({ sql }) => sql.includes('FROM "person"'))).toHaveLength(2)
  })

  it('reads no value: one statement per table, whose answer is counts', async () => {
    await insertSealed(1)
    await census(target)
    const [catalogue, counts, ...more] = target.sent
    expect(catalogue?.sql).toMatch(/row_security_active/)
    expect(more).toEqual([])
    expect(Object.keys(counts?.rows[0] ?? {})).toEqual([
      'place',
      'mark',
      'subject',
      'key_id',
      'count',
    ])
  })

  it('is refused where row-level security may hide rows, which would not be counted', async () => {
    await insertSealed(1)
    await tables.blindTo('person', async (query) => {
      const blind = {}
      registerSchema(blind, { ...schemaOf(target), query })
      const { message } = await rejection(census(blind), 'ERR_CONFIG')
      expect(message).toMatch(/row-level security may hide rows of person/)
    })
  })

  it('refuses an object that holds no encrypted tables', async () => {
    const { message } = await rejection(census({}), 'ERR_CONFIG')
    expect(message).toContain('withEncryption')
  })
})
