import { beforeEach, describe, expect, it } from 'vitest'
import { tokenOf } from '../../src/blind-index/token'
import { defineField } from '../../src/field'
import { type Keyring, keyAccess } from '../../src/keys/keyring'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { shred } from '../../src/rotation/shred'
import { verify } from '../../src/rotation/verify'
import type { EncryptedTable } from '../../src/schema'
import { makeKeyring, seal, type Target, tableOf, useTables } from './tables'

const tables = useTables()
let keyring: Keyring
let target: Target

async function execute(sql: string, ...parameters: unknown[]): Promise<unknown[]> {
  return (await tables.pool.query(sql, parameters)).rows
}

/** A field with both indexes, and one of a subject without any. */
function table(): EncryptedTable {
  const described = tableOf('person', ['id'], ['email', 'phone'])
  const columns = described.columns.map((column) => {
    const { field, column: name } = column
    const options = { name: field, fieldId: `person.${name}`, type: 'string' } as const
    if (name === 'phone') {
      const definition = defineField({ ...options, subject: true })
      const idOf = (value: unknown) => (value === null ? null : String(value))
      return { ...column, definition, subject: { column: 'owner', idOf } }
    }
    const definition = defineField({ ...options, exact: true, range: { prefix: 2 } })
    const indexColumns = ['email_hmac', 'email_lofi']
    return {
      ...column,
      definition,
      exactColumn: 'email_hmac',
      rangeColumn: 'email_lofi',
      indexColumns,
    }
  })
  return { ...described, columns }
}

const [email] = table().columns.map(({ definition }) => definition)

async function insertPeople(count: number, from = 1): Promise<void> {
  for (let id = from; id < from + count; id++) {
    const value = `p${id}@example.com`
    const [sealed] = await seal(keyring, { email: value })
    const [phone] = await seal(keyring, { phone: `+44 ${id}` }, { subject: `owner-${id}` })
    const key = await keyAccess(keyring).tokenKey(email!.indexName)
    const token = tokenOf(key, email!.encodeForToken(value))
    await execute(
      'INSERT INTO person VALUES ($1, $2, $3, $4, $5, $6)',
      ...[id, `owner-${id}`, sealed, token, value.slice(0, 2), phone],
    )
  }
}

const both = async () => [await verify(target), await verify(target, { open: true })]

async function failures(options: { open?: boolean } = {}): Promise<string[]> {
  const { failed } = await verify(target, options)
  return failed.map(({ primaryKey, column, code }) => `${primaryKey.id} ${column} ${code}`)
}

beforeEach(async () => {
  await execute('DROP TABLE IF EXISTS person')
  await execute(`CREATE TABLE person (id integer PRIMARY KEY, owner text, email bytea,
    email_hmac bytea, email_lofi text COLLATE "C", phone bytea)`)
  keyring = makeKeyring()
  target = tables.target(keyring, table())
  await keyAccess(keyring).declareIndexes([email!.declaration])
})

describe('verify', () => {
  it('finds everything right, and changes nothing', async () => {
    await insertPeople(3)
    await execute('UPDATE person SET phone = NULL WHERE id = 2')
    await execute(
      'UPDATE person SET email = NULL, email_hmac = NULL, email_lofi = NULL WHERE id = 3',
    )
    await rotateKek(keyring, { purpose: 'data' })
    await insertPeople(1, 4)
    const before = await execute('SELECT xmin::text, * FROM person ORDER BY id')
    for (const report of await both()) {
      expect(report).toMatchObject({ done: 6, current: 0, failedCount: 0, skipped: 0 })
    }
    expect(await execute('SELECT xmin::text, * FROM person ORDER BY id')).toEqual(before)
  })

  it('without open it reads heads only, and no ciphertext', async () => {
    const [large] = await seal(keyring, { email: 'a'.repeat(5000) })
    await execute(
      "INSERT INTO person (id, email, email_hmac, email_lofi) VALUES (1, $1, 'x', 'y')",
      large,
    )
    expect(await verify(target)).toMatchObject({ done: 1, failedCount: 0 })
    const read = target.sent.flatMap(({ rows }) => rows).find((row) => 'e1' in row)
    expect(read?.e1).toEqual(large?.subarray(0, 82 + 17))
    expect(read).toMatchObject({ i1_1: '', i1_2: '' })
  })

  it('names damaged heads in either mode, and damaged ciphertext with open', async () => {
    await insertPeople(6)
    const flip = (at: number) => `set_byte(email, ${at}, get_byte(email, ${at}) # 1)`
    await execute(`UPDATE person SET email = ${flip(60)} WHERE id = 1`)
    await execute(`UPDATE person SET email = ${flip(90)} WHERE id = 2`)
    await execute('UPDATE person SET email = substring(email from 1 for 98) WHERE id = 3')
    await execute(`UPDATE person SET email = ${flip(1)} WHERE id = 4`)
    await execute(`UPDATE person SET email = 'plain text' WHERE id = 5`)
    await execute(`UPDATE person SET email = ${flip(3)} WHERE id = 6`)
    const heads = [
      '1 email ERR_DECRYPTION_FAILED',
      '3 email ERR_ENVELOPE_MALFORMED',
      '4 email ERR_ENVELOPE_FLAGS',
      '5 email ERR_ENVELOPE_MALFORMED',
      '6 email ERR_KEY_NOT_FOUND',
    ]
    expect(await failures()).toEqual(heads)
    expect(await failures({ open: true })).toEqual(
      [...heads, '2 email ERR_DECRYPTION_FAILED'].sort(),
    )
  })

  it('names values under keys that cannot be used, and of other subjects', async () => {
    await insertPeople(2)
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    await insertPeople(1, 3)
    await execute("UPDATE person SET owner = 'owner-1' WHERE id = 3")
    await disableKey(keyring, { keyId: previousKeyId as string })
    const expected = [
      '1 email ERR_KEY_STATE',
      '1 phone ERR_KEY_STATE',
      '2 email ERR_KEY_STATE',
      '2 phone ERR_KEY_STATE',
      '3 phone ERR_DECRYPTION_FAILED',
    ]
    expect(await failures()).toEqual(expected)
    expect(await failures({ open: true })).toEqual(expected)
  })

  it('with open it names tokens and buckets that are not those of their value', async () => {
    await insertPeople(5)
    await execute("UPDATE person SET email_lofi = 'zz' WHERE id = 1")
    await execute(
      'UPDATE person SET email_hmac = (SELECT email_hmac FROM person WHERE id = 1) WHERE id = 2',
    )
    await execute('UPDATE person SET email_hmac = set_byte(email_hmac, 0, 9) WHERE id = 3')
    await execute('UPDATE person SET email_hmac = email_hmac || email_hmac WHERE id = 4')
    expect(await failures()).toEqual([])
    const mismatches = [1, 2, 3, 4].map((id) => `${id} email ERR_INDEX_MISMATCH`)
    expect(await failures({ open: true })).toEqual(mismatches)
  })

  it('names index columns that are NULL beside a value, and hold something beside NULL', async () => {
    await insertPeople(4)
    await execute('UPDATE person SET email_hmac = NULL WHERE id = 1')
    await execute('UPDATE person SET email_lofi = NULL WHERE id = 2')
    await execute('UPDATE person SET email = NULL, email_hmac = NULL, phone = NULL WHERE id = 3')
    const mismatches = [1, 2, 3].map((id) => `${id} email ERR_INDEX_MISMATCH`)
    expect(await failures()).toEqual(mismatches)
    expect(await failures({ open: true })).toEqual(mismatches)
  })

  it('takes values of shredded subjects as right', async () => {
    await insertPeople(2)
    await shred(keyring, { subject: 'owner-1' })
    for (const report of await both()) expect(report).toMatchObject({ done: 4, failedCount: 0 })
  })

  it('takes up with retry what was wrong', async () => {
    await insertPeople(2)
    await execute("UPDATE person SET email_lofi = 'zz' WHERE id = 1")
    expect(await verify(target, { open: true })).toMatchObject({ failedCount: 1 })
    await execute("UPDATE person SET email_lofi = 'p1' WHERE id = 1")
    target.sent.length = 0
    expect(await verify(target, { open: true, retry: true })).toMatchObject({ failedCount: 0 })
    const read = target.sent.flatMap(({ rows }) => rows).filter((row) => 'e1' in row)
    expect(read.map(({ k1 }) => k1)).toEqual(['1'])
  })
})
