import { beforeEach, describe, expect, it } from 'vitest'
import { fromText, toText } from '../../src/envelope/format'
import { memoryKeyStore } from '../../src/key-store/memory'
import { census } from '../../src/rotation/census'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import type { EncryptedTable } from '../../src/schema'
import { scriptedProvider } from '../keys/fixtures'
import { keyIdIn, makeKeyring, open, seal, tableOf, useTables } from './tables'

const tables = useTables()
const TABLE: EncryptedTable = {
  ...tableOf('person', ['id']),
  columns: tableOf('person', ['id'], ['email', 'phone']).columns.map((column) => ({
    ...column,
    form: column.column === 'email' ? 'text' : 'bytea',
  })),
}

const execute = (sql: string, ...parameters: unknown[]) => tables.pool.query(sql, parameters)

async function people(): Promise<{ id: number; email: string; phone: Buffer }[]> {
  return (await execute('SELECT * FROM person ORDER BY id')).rows
}

beforeEach(async () => {
  await execute('DROP TABLE IF EXISTS person')
  await execute('CREATE TABLE person (id integer PRIMARY KEY, email text, phone bytea)')
})

describe('a text column beside a bytea one', () => {
  it('is counted and done like it, at every length', async () => {
    const keyring = makeKeyring()
    const target = tables.target(keyring, TABLE)
    for (let id = 0; id < 12; id++) {
      const [email, phone] = await seal(keyring, { email: 'e'.repeat(id), phone: `${id}` })
      await execute('INSERT INTO person VALUES ($1, $2, $3)', id, toText(email as Buffer), phone)
    }
    await execute('UPDATE person SET email = NULL WHERE id = 5')
    const before = await people()
    const { keyId, previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    expect(await census(target)).toMatchObject([
      { column: 'email', keyId: previousKeyId, keyVersion: 1, format: 1, count: 11 },
      { column: 'phone', keyId: previousKeyId, keyVersion: 1, format: 1, count: 12 },
    ])
    expect(await rewrap(target, { batchSize: 5 })).toMatchObject({ done: 23, failedCount: 0 })
    expect(await census(target)).toMatchObject([
      { column: 'email', keyId, count: 11 },
      { column: 'phone', keyId, count: 12 },
    ])
    for (const [i, { id, email, phone }] of (await people()).entries()) {
      expect(keyIdIn(phone)).toBe(keyId)
      if (id === 5) continue
      const envelope = fromText(email)
      expect(keyIdIn(envelope)).toBe(keyId)
      expect(envelope.subarray(50)).toEqual(fromText(before[i]?.email as string).subarray(50))
      expect(await open(keyring, 'email', envelope)).toBe('e'.repeat(id))
    }
    const versions = await execute('SELECT xmin::text FROM person ORDER BY id')
    expect(await rewrap(target)).toMatchObject({ done: 0, current: 23, skipped: 0 })
    expect((await execute('SELECT xmin::text FROM person ORDER BY id')).rows).toEqual(versions.rows)
  })

  it('moves to a provider that wraps DEKs itself and back, where lengths change', async () => {
    const shared = { store: memoryKeyStore(), providers: [scriptedProvider('kms')] }
    const local = makeKeyring(shared)
    for (let id = 0; id < 4; id++) {
      const [email] = await seal(local, { email: `mail ${'x'.repeat(id)}` })
      await execute('INSERT INTO person VALUES ($1, $2, NULL)', id, toText(email as Buffer))
    }
    const remote = makeKeyring({ ...shared, wrapping: 'provider' })
    for (const keyring of [remote, local]) {
      const { keyId } = await rotateKek(keyring, { purpose: 'data' })
      const report = await rewrap(tables.target(keyring, TABLE))
      expect(report).toMatchObject({ keyId, done: 4, failedCount: 0, skipped: 0 })
      for (const { id, email } of await people()) {
        expect(keyIdIn(fromText(email))).toBe(keyId)
        expect(await open(keyring, 'email', fromText(email))).toBe(`mail ${'x'.repeat(id)}`)
      }
    }
  })

  it('reports what is no envelope, and leaves it as it is', async () => {
    const keyring = makeKeyring()
    const target = tables.target(keyring, TABLE)
    const [email] = await seal(keyring, { email: 'Adas' })
    const stored = toText(email as Buffer)
    const loose = `${stored.slice(0, -1)}${String.fromCharCode(stored.charCodeAt(stored.length - 1) + 1)}`
    const values = ['plain', '', 'mrt1.', `${stored}=`, stored.replace('mrt1.', 'mrt2.'), loose]
    expect(() => fromText(loose)).toThrow()
    for (const [id, value] of [...values, stored].entries()) {
      await execute('INSERT INTO person VALUES ($1, $2, NULL)', id, value)
    }
    await rotateKek(keyring, { purpose: 'data' })
    const report = await rewrap(target)
    expect(report).toMatchObject({ done: 1, failedCount: values.length, skipped: 0 })
    expect(new Set(report.failed.map(({ code }) => code))).toEqual(
      new Set(['ERR_ENVELOPE_MALFORMED']),
    )
    expect(JSON.stringify(report)).not.toContain('plain')
    const after = await people()
    expect(after.slice(0, values.length).map((row) => row.email)).toEqual(values)
    expect(await open(keyring, 'email', fromText(after.at(-1)?.email as string))).toBe('Adas')
  })

  it('leaves the value of a writer that came in between', async () => {
    const keyring = makeKeyring()
    const target = tables.target(keyring, TABLE)
    const [email] = await seal(keyring, { email: 'before' })
    await execute('INSERT INTO person VALUES (1, $1, NULL)', toText(email as Buffer))
    const [meanwhile] = await seal(keyring, { email: 'meanwhile' })
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    target.before = async (sql) => {
      if (!sql.startsWith('WITH page')) return
      target.before = undefined
      await execute('UPDATE person SET email = $1', toText(meanwhile as Buffer))
    }
    expect(await rewrap(target)).toMatchObject({ done: 1, skipped: 0, failedCount: 0 })
    const [row] = await people()
    expect(keyIdIn(fromText(row?.email as string))).toBe(keyId)
    expect(await open(keyring, 'email', fromText(row?.email as string))).toBe('meanwhile')
  })

  it('sends no ciphertext to the application', async () => {
    const keyring = makeKeyring()
    const target = tables.target(keyring, TABLE)
    const [email] = await seal(keyring, { email: 'a long value '.repeat(20) })
    await execute('INSERT INTO person VALUES (1, $1, NULL)', toText(email as Buffer))
    await rotateKek(keyring, { purpose: 'data' })
    await rewrap(target)
    const tail = (email as Buffer).subarray(-32)
    const seen = JSON.stringify(target.sent)
    expect(seen).not.toContain(toText(email as Buffer).slice(-20))
    expect(seen).not.toContain(JSON.stringify([...tail]).slice(1, -1))
  })
})
