import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { defineField, type FieldOptions } from '../../src/field'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Keyring } from '../../src/keys/keyring'
import { generateRootKey } from '../../src/providers/in-app'
import { census } from '../../src/rotation/census'
import { MAX_PAGE_BYTES } from '../../src/rotation/job/page-statement'
import { disableKey } from '../../src/rotation/key-state'
import { reencrypt } from '../../src/rotation/reencrypt'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { shred } from '../../src/rotation/shred'
import type { EncryptedTable, EncryptedTableColumn } from '../../src/schema'
import { rejection } from '../keys/fixtures'
import { keyIdIn, makeKeyring, open, seal, type Target, tableOf, useTables } from './tables'

interface Person {
  readonly id: number
  readonly owner: string | null
  readonly email: Buffer | null
  readonly phone: Buffer | null
}

const tables = useTables()
let keyring: Keyring
let target: Target

async function execute(sql: string, ...parameters: unknown[]): Promise<unknown[]> {
  return (await tables.pool.query(sql, parameters)).rows
}

const people = async (): Promise<Person[]> =>
  (await execute('SELECT * FROM person ORDER BY id')) as Person[]

async function insertPeople(count: number, from = 1): Promise<void> {
  for (let id = from; id < from + count; id++) {
    const sealed = await seal(keyring, { email: `p${id}@example.com`, phone: `+44 ${id}` })
    await execute('INSERT INTO person (id, email, phone) VALUES ($1, $2, $3)', id, ...sealed)
  }
}

const commitmentIn = (envelope: Buffer | null | undefined) => envelope?.toString('hex', 50, 82)
const wrapIn = (envelope: Buffer | null | undefined) => envelope?.toString('hex', 10, 50)

/** The table with other declarations of its fields than the rows were sealed with. */
function declared(
  options: Partial<FieldOptions>,
  column: Partial<EncryptedTableColumn> = {},
): EncryptedTable {
  const table = tableOf('person', ['id'], ['email', 'phone'])
  const columns = table.columns.map((one) => {
    const names = { name: one.field, fieldId: `person.${one.column}`, type: 'string' } as const
    return { ...one, definition: defineField({ ...names, ...options }), ...column }
  })
  return { ...table, columns }
}

const owner = {
  column: 'owner',
  idOf: (value: unknown) => (value === null ? null : String(value)),
}

beforeEach(async () => {
  await execute('DROP TABLE IF EXISTS person')
  await execute(
    'CREATE TABLE person (id integer PRIMARY KEY, owner text, email bytea, phone bytea)',
  )
  keyring = makeKeyring()
  target = tables.target(keyring, tableOf('person', ['id'], ['email', 'phone']))
})

describe('reencrypt', () => {
  it('seals every value again: a fresh DEK for each row, under the active key', async () => {
    await insertPeople(5)
    const [email] = await seal(keyring, { email: 'other record' })
    await execute('UPDATE person SET email = $1 WHERE id = 2', email)
    await execute('UPDATE person SET phone = NULL WHERE id = 3')
    const before = await people()
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    const report = await reencrypt(target, { batchSize: 2 })
    expect(report).toEqual({
      ...{ keyId, subjectFields: [], done: 9, current: 0, skipped: 0, failedCount: 0, failed: [] },
      tables: [{ table: 'person', done: 9, current: 0, skipped: 0, failedCount: 0 }],
      seconds: expect.any(Number),
      jobId: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    const after = await people()
    const seen = [...before, ...after].flatMap((row) => [row.email, row.phone])
    const commitments = new Set(seen.map(commitmentIn))
    expect(commitments.size).toBe(1 + 6 + 5)
    for (const { id, email, phone } of after) {
      expect(keyIdIn(email as Buffer)).toBe(keyId)
      const expected = id === 2 ? 'other record' : `p${id}@example.com`
      expect(await open(keyring, 'email', email as Buffer)).toBe(expected)
      if (id === 3) expect(phone).toBeNull()
      else expect(phone?.subarray(2, 82)).toEqual(email?.subarray(2, 82))
    }
  })

  it('works under one key too, for a DEK that was seen', async () => {
    await insertPeople(2)
    const before = await people()
    expect(await reencrypt(target)).toMatchObject({ done: 4 })
    for (const [i, { email }] of (await people()).entries()) {
      expect(keyIdIn(email as Buffer)).toBe(keyIdIn(before[i]?.email as Buffer))
      expect(wrapIn(email)).not.toBe(wrapIn(before[i]?.email))
    }
  })

  it('goes on where it was stopped, and does not seal what it has sealed', async () => {
    await insertPeople(6)
    const stop = new AbortController()
    const onProgress = ({ done }: { done: number }) => done >= 4 && stop.abort(new Error('stop'))
    const options = { batchSize: 2, signal: stop.signal, onProgress }
    await expect(reencrypt(target, options)).rejects.toThrow('stop')
    const half = await people()
    expect(await reencrypt(target, { batchSize: 2 })).toMatchObject({ done: 12 })
    const after = await people()
    const kept = after.filter(
      ({ email }, i) => commitmentIn(email) === commitmentIn(half[i]?.email),
    )
    expect(kept.map(({ id }) => id)).toEqual([1, 2])
  })

  it('is everything once more when it is run again after its end', async () => {
    await insertPeople(1)
    await reencrypt(target)
    const [before] = await people()
    expect(await reencrypt(target)).toMatchObject({ done: 2 })
    expect((await people())[0]?.email).not.toEqual(before?.email)
  })

  it('does everything except writing in a dry run', async () => {
    await insertPeople(2)
    await execute("UPDATE person SET phone = '\\xe100' WHERE id = 1")
    const before = await people()
    const report = await reencrypt(target, { dryRun: true })
    expect(report).toMatchObject({ jobId: null, done: 3, failedCount: 1 })
    expect(await people()).toEqual(before)
  })

  it('sees a rotation by another process, however seldom this one looks', async () => {
    const shared = { store: memoryKeyStore(), secret: generateRootKey() }
    keyring = makeKeyring({ ...shared, epochPollMs: 60_000 })
    await insertPeople(1)
    const { keyId } = await rotateKek(makeKeyring(shared), { purpose: 'data' })
    const table = tableOf('person', ['id'], ['email', 'phone'])
    expect(await reencrypt(tables.target(keyring, table))).toMatchObject({ keyId, done: 2 })
  })

  it('names values that do not open, and leaves them', async () => {
    await insertPeople(3)
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    const [email] = await seal(keyring, { email: 'new' })
    await execute('UPDATE person SET email = $1 WHERE id = 1', email)
    await execute(
      'UPDATE person SET email = set_byte(email, 90, get_byte(email, 90) # 1) WHERE id = 2',
    )
    await execute('UPDATE person SET phone = $1 WHERE id = 2', Buffer.from('plaintext'))
    await disableKey(keyring, { keyId: previousKeyId as string })
    const before = await people()
    const report = await reencrypt(target)
    expect(report).toMatchObject({ done: 1, failedCount: 5, skipped: 0 })
    expect(
      report.failed.map(({ primaryKey, field, code }) => [primaryKey.id, field, code]),
    ).toEqual([
      ['1', 'Person.phone', 'ERR_KEY_STATE'],
      ['2', 'Person.email', 'ERR_KEY_STATE'],
      ['2', 'Person.phone', 'ERR_ENVELOPE_MALFORMED'],
      ['3', 'Person.email', 'ERR_KEY_STATE'],
      ['3', 'Person.phone', 'ERR_KEY_STATE'],
    ])
    expect((await people()).slice(1)).toEqual(before.slice(1))
    expect(JSON.stringify(report)).not.toContain('plaintext')
  })

  it('and rewrap name rows that a constraint keeps from being written, and do all others', async () => {
    await insertPeople(5)
    await execute("UPDATE person SET phone = 'plain' WHERE id = 3")
    const check = "(substring(phone from 1 for 1) = '\\xe1') NOT VALID"
    await execute(`ALTER TABLE person ADD CHECK ${check}`)
    await rotateKek(keyring, { purpose: 'data' })
    for (const verb of [rewrap, reencrypt]) {
      const report = await verb(target)
      expect(report).toMatchObject({ done: 8, skipped: 0, failedCount: 2 })
      expect(report.failed).toMatchObject([
        { column: 'email', primaryKey: { id: '3' }, code: 'ERR_ROW_REFUSED' },
        { column: 'phone', primaryKey: { id: '3' }, code: 'ERR_ENVELOPE_MALFORMED' },
      ])
    }
    await execute('UPDATE person SET phone = NULL WHERE id = 3')
    expect(await reencrypt(target, { retry: true })).toMatchObject({ done: 9, failedCount: 0 })
  })

  it('and rewrap name rows that a trigger of the application refuses, and do all others', async () => {
    await insertPeople(5)
    await execute(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION 'row % is frozen', OLD.id; END $$`)
    await execute(`CREATE TRIGGER frozen BEFORE UPDATE ON person FOR EACH ROW WHEN (OLD.id = 3)
      EXECUTE FUNCTION refuse()`)
    await rotateKek(keyring, { purpose: 'data' })
    for (const verb of [rewrap, reencrypt]) {
      const report = await verb(target)
      expect(report).toMatchObject({ done: 8, skipped: 0, failedCount: 2 })
      expect(report.failed).toMatchObject(
        ['email', 'phone'].map((column) => {
          return { column, primaryKey: { id: '3' }, code: 'ERR_ROW_REFUSED' }
        }),
      )
    }
    await execute('DROP FUNCTION refuse CASCADE')
    expect(await reencrypt(target, { retry: true })).toMatchObject({ done: 10, failedCount: 0 })
  })

  it('takes up with retry the rows that failed, and no others', async () => {
    await insertPeople(3)
    await execute(
      'UPDATE person SET email = set_byte(email, 90, get_byte(email, 90) # 1) WHERE id = 2',
    )
    expect(await reencrypt(target)).toMatchObject({ done: 5, failedCount: 1 })
    await execute(
      'UPDATE person SET email = set_byte(email, 90, get_byte(email, 90) # 1) WHERE id = 2',
    )
    const before = await people()
    const { failedCount, skipped } = await reencrypt(target, { retry: true })
    expect([failedCount, skipped]).toEqual([0, 0])
    const changed = (await people()).filter(
      ({ email }, i) => !email?.equals(before[i]?.email as Buffer),
    )
    expect(changed.map(({ id }) => id)).toEqual([2])
  })

  it('lets a concurrent writer win, and seals what it wrote afterwards', async () => {
    await insertPeople(3)
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    const [email] = await seal(keyring, { email: 'written meanwhile' })
    once(/^WITH page/, () => execute('UPDATE person SET email = $1 WHERE id = 2', email))
    expect(await reencrypt(target)).toMatchObject({ done: 6, skipped: 0, failedCount: 0 })
    const [, second] = await people()
    expect(await open(keyring, 'email', second?.email as Buffer)).toBe('written meanwhile')
    expect(keyIdIn(second?.phone as Buffer)).toBe(keyId)
    expect(commitmentIn(second?.email)).not.toBe(commitmentIn(email))
  })

  it('passes by rows that somebody holds, and counts them', async () => {
    await insertPeople(2)
    const before = await people()
    const client = await tables.connect()
    try {
      await client.query('BEGIN')
      await client.query('SELECT 1 FROM person WHERE id = 2 FOR UPDATE')
      expect(await reencrypt(target)).toMatchObject({ done: 2, skipped: 2, failedCount: 0 })
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    expect((await people())[1]).toEqual(before[1])
    expect(await reencrypt(target, { retry: true })).toMatchObject({ skipped: 0 })
    expect(commitmentIn((await people())[1]?.email)).not.toBe(commitmentIn(before[1]?.email))
  })

  it('counts what fails in such a row once, however often it is read', async () => {
    await insertPeople(1)
    await execute("UPDATE person SET phone = '\\xe100'")
    const client = await tables.connect()
    try {
      await client.query('BEGIN')
      await client.query('SELECT 1 FROM person FOR UPDATE')
      const report = await reencrypt(target)
      expect(report).toMatchObject({ done: 0, skipped: 1, failedCount: 1 })
      expect(report.failed).toHaveLength(1)
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    const retried = await reencrypt(target, { retry: true })
    expect(retried).toMatchObject({ done: 1, skipped: 0, failedCount: 1 })
  })
})

/** Runs once, before the first statement that matches. */
function once(pattern: RegExp, work: () => Promise<unknown>): void {
  target.before = async (sql) => {
    if (!pattern.test(sql)) return
    target.before = undefined
    await work()
  }
}

describe('reencrypt with keyIds', () => {
  it('seals the values under these keys again, and reads no others', async () => {
    await insertPeople(2)
    const { keyId, previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    await insertPeople(1, 3)
    const [email] = await seal(keyring, { email: 'new' })
    await execute('UPDATE person SET email = $1 WHERE id = 2', email)
    const keyIds = [previousKeyId as string]
    target.sent.length = 0
    const report = await reencrypt(target, { keyIds })
    expect(report).toMatchObject({ keyId, done: 3, current: 3, failedCount: 0 })
    const read = target.sent.flatMap(({ rows }) => rows).filter((row) => 'e1' in row)
    expect(read.map(({ k1, e1 }) => [k1, e1 === null])).toEqual([
      ['1', false],
      ['2', true],
    ])
    expect((await people())[1]?.email).toEqual(email)
    expect(await reencrypt(target, { keyIds })).toMatchObject({ done: 0, current: 6 })
  })

  it.each([[[]], [['123']], [['ABCDEF0123456789']]])('refuses %j', async (keyIds) => {
    await rejection(reencrypt(target, { keyIds }), 'ERR_CONFIG')
  })
})

describe('reencrypt of a field whose declaration changed', () => {
  const row = {
    column: 'id',
    idOf: (value: unknown) => Buffer.concat([Buffer.of(3), Buffer.from(String(value))]),
  }
  const as = (...given: Parameters<typeof declared>) => tables.target(keyring, declared(...given))

  it('binds values to their rows, and frees them again', async () => {
    await insertPeople(2)
    const bound = as({ bindRow: true }, { row })
    expect(await reencrypt(bound)).toMatchObject({ done: 4, failedCount: 0 })
    expect((await people()).map(({ email }) => email?.[1])).toEqual([1, 1])
    const [first, second] = await people()
    expect(await reencrypt(bound)).toMatchObject({ done: 4, failedCount: 0 })
    await execute('UPDATE person SET email = $1 WHERE id = 1', second?.email)
    await execute('UPDATE person SET phone = $1 WHERE id = 1', first?.phone)
    const freed = await reencrypt(target)
    expect(freed).toMatchObject({ done: 3, failedCount: 1 })
    expect(freed.failed).toMatchObject([{ primaryKey: { id: '1' }, code: 'ERR_DECRYPTION_FAILED' }])
    expect(await open(keyring, 'phone', (await people())[0]?.phone as Buffer)).toBe('+44 1')
  })

  it('frees values of a key that they cannot have been bound to as little as any reader would', async () => {
    await insertPeople(1)
    await reencrypt(as({ bindRow: true }, { row }))
    await execute('ALTER TABLE person ALTER id TYPE numeric')
    const report = await reencrypt(target)
    expect(report.failed.map(({ code }) => code)).toEqual(['ERR_ROW_UNKNOWN', 'ERR_ROW_UNKNOWN'])
  })

  it('moves values under the keys of subjects, where the row has one', async () => {
    await insertPeople(3)
    await execute("UPDATE person SET owner = 'tenant-' || id WHERE id < 3")
    const report = await reencrypt(as({ subject: true }, { subject: owner }))
    expect(report).toMatchObject({ done: 4, failedCount: 2 })
    expect(report.subjectFields).toEqual(['Person.email', 'Person.phone'])
    expect(new Set(report.failed.map(({ code }) => code))).toEqual(new Set(['ERR_ROW_UNKNOWN']))
    const [first] = await people()
    expect(first?.email?.[1]).toBe(4)
    const value = await open(keyring, 'email', first?.email as Buffer, { subject: 'tenant-1' })
    expect(value).toBe('p1@example.com')
  })

  it('makes no keys of subjects in a dry run', async () => {
    await insertPeople(1)
    await execute("UPDATE person SET owner = 'tenant-1'")
    const store = memoryKeyStore()
    const secret = generateRootKey()
    keyring = makeKeyring({ store, secret })
    await execute('DELETE FROM person')
    await insertPeople(1)
    await execute("UPDATE person SET owner = 'tenant-1'")
    const table = as({ subject: true }, { subject: owner })
    expect(await reencrypt(table, { dryRun: true })).toMatchObject({ done: 2, failedCount: 0 })
    expect(await store.countSubjectKeys('default')).toEqual([])
  })

  it('keeps values of a subject under its key, and takes none of another subject', async () => {
    const options = { subject: 'ada' }
    const own = await seal(keyring, { email: 'own', phone: 'own' }, options)
    const foreign = await seal(keyring, { email: 'foreign' }, { subject: 'bob' })
    await execute("INSERT INTO person VALUES (1, 'ada', $1, $2)", own[0], own[1])
    await execute("INSERT INTO person VALUES (2, 'ada', $1, NULL)", foreign[0])
    await execute('INSERT INTO person VALUES (3, NULL, $1, NULL)', own[0])
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    target = as({ subject: true }, { subject: owner })
    const report = await reencrypt(target)
    expect(report).toMatchObject({ keyId, done: 4, failedCount: 2 })
    expect(report.tables).toMatchObject([
      { table: 'mortise_subject_key', done: 2 },
      { table: 'person', done: 2, failedCount: 2 },
    ])
    const wraps = (await census(target)).filter(({ table }) => table === 'mortise_subject_key')
    expect(wraps).toMatchObject([{ keyId, count: 2 }])
    expect(report.failed.map(({ code }) => code)).toEqual(Array(2).fill('ERR_DECRYPTION_FAILED'))
    const [first] = await people()
    expect(keyIdIn(first?.email as Buffer)).toBe(keyIdIn(own[0] as Buffer))
    expect(commitmentIn(first?.email)).not.toBe(commitmentIn(own[0]))
    expect(await open(keyring, 'phone', first?.phone as Buffer, options)).toBe('own')
  })

  it('takes values out of the keys of subjects where the field has none any more', async () => {
    const sealed = await seal(keyring, { email: 'a', phone: 'b' }, { subject: 'ada' })
    await execute('INSERT INTO person VALUES (1, NULL, $1, $2)', ...sealed)
    expect(await reencrypt(target)).toMatchObject({ done: 2, failedCount: 0 })
    const [first] = await people()
    expect(first?.email?.[1]).toBe(0)
    expect(await open(keyring, 'email', first?.email as Buffer)).toBe('a')
  })

  it('gives a subject another key on the way over a field without one', async () => {
    const sealed = await seal(keyring, { email: 'a', phone: 'b' }, { subject: 'ada' })
    await execute("INSERT INTO person VALUES (1, 'ada', $1, $2)", ...sealed)
    await reencrypt(target)
    await shred(keyring, { subject: 'ada' })
    expect(await reencrypt(as({ subject: true }, { subject: owner }))).toMatchObject({ done: 2 })
    const [first] = await people()
    expect(keyIdIn(first?.email as Buffer)).not.toBe(keyIdIn(sealed[0] as Buffer))
    expect(await open(keyring, 'email', first?.email as Buffer, { subject: 'ada' })).toBe('a')
  })

  it('leaves values of a shredded subject', async () => {
    for (const [id, subject] of ['ada', 'bob'].entries()) {
      const sealed = await seal(keyring, { email: 'a', phone: 'b' }, { subject })
      await execute('INSERT INTO person VALUES ($1, $2, $3, $4)', id, subject, ...sealed)
    }
    await shred(keyring, { subject: 'ada' })
    const before = await people()
    const report = await reencrypt(as({ subject: true }, { subject: owner }))
    expect(report).toMatchObject({ done: 4, failedCount: 0, skipped: 0 })
    const after = await people()
    expect(after[0]).toEqual(before[0])
    expect(commitmentIn(after[1]?.email)).not.toBe(commitmentIn(before[1]?.email))
  })

  it('does not bring back what is shredded while it is open', async () => {
    const [store, secret] = [memoryKeyStore(), generateRootKey()]
    let shredding: Promise<unknown> | undefined
    const loadSubjectKeys: typeof store.loadSubjectKeys = async (...given) => {
      const found = await store.loadSubjectKeys(...given)
      shredding ??= shred(makeKeyring({ store, secret }), { subject: 'bob' })
      await shredding
      return found
    }
    keyring = makeKeyring({ store, secret })
    const sealed = await seal(keyring, { email: 'a', phone: 'b' }, { subject: 'bob' })
    await execute("INSERT INTO person VALUES (1, 'bob', $1, $2)", ...sealed)
    keyring = makeKeyring({ store: { ...store, loadSubjectKeys }, secret })
    const report = await reencrypt(as({ subject: true }, { subject: owner }))
    expect(report).toMatchObject({ done: 2, failedCount: 0, skipped: 0 })
    const [row] = await people()
    expect(commitmentIn(row?.email)).not.toBe(commitmentIn(sealed[0]))
    await expect(
      open(makeKeyring({ store, secret }), 'email', row?.email as Buffer, { subject: 'bob' }),
    ).rejects.toMatchObject({ code: 'ERR_SUBJECT_SHREDDED' })
  })

  it('does not go on with a job that sealed values as another declaration says', async () => {
    await insertPeople(4)
    const stop = new AbortController()
    const onProgress = ({ done }: { done: number }) => done >= 4 && stop.abort(new Error('stop'))
    const options = { batchSize: 2, signal: stop.signal, onProgress }
    await expect(reencrypt(target, options)).rejects.toThrow('stop')
    expect(await reencrypt(as({ pad: 512 }))).toMatchObject({ done: 8 })
    const lengths = (await people()).map(({ email }) => email?.length)
    expect(lengths).toEqual([610, 610, 610, 610])
  })

  it('begins and ceases to pad and to compress', async () => {
    const long = 'a'.repeat(5000)
    await execute(
      'INSERT INTO person (id, email) VALUES (1, $1)',
      (await seal(keyring, { email: long }))[0],
    )
    await reencrypt(as({ compress: true, pad: 512 }))
    const [small] = await people()
    expect([small?.email?.[1], small?.email?.length]).toEqual([2, 98 + 512])
    await reencrypt(target)
    const [large] = await people()
    expect([large?.email?.[1], large?.email?.length]).toEqual([0, 98 + 1 + 5000])
    expect(await open(keyring, 'email', large?.email as Buffer)).toBe(long)
  })

  it.skipIf(!process.env.SLOW)('is not stopped by a value that becomes too large', async () => {
    await insertPeople(1)
    const [email] = await seal(keyring, { email: 'a'.repeat(64 * 1024 * 1024 - 1) })
    await execute('UPDATE person SET email = $1', email)
    const report = await reencrypt(as({ pad: 65_536 }))
    expect(report.done).toBe(1)
    expect(report.failed).toMatchObject([{ column: 'email', code: 'ERR_VALUE_TOO_LARGE' }])
  })
})

describe('pages of reencrypt', () => {
  it('end where their values are many bytes, whatever the batch size', async () => {
    const damage = () =>
      execute('UPDATE person SET email = set_byte(email, 90, get_byte(email, 90) # 1)')
    const value = randomBytes(MAX_PAGE_BYTES / 6).toString('hex')
    const [email] = await seal(keyring, { email: value })
    for (let id = 1; id <= 4; id++) {
      await execute('INSERT INTO person (id, email) VALUES ($1, $2)', id, email)
    }
    const pages = () =>
      target.sent.filter(({ rows }) => rows[0] && 'e1' in rows[0]).map(({ rows }) => rows.length)
    await damage()
    expect(await reencrypt(target)).toMatchObject({ failedCount: 4 })
    expect(pages()).toEqual([3, 1])
    await damage()
    target.sent.length = 0
    expect(await reencrypt(target, { retry: true })).toMatchObject({ failedCount: 0 })
    expect(pages()).toEqual([3, 1])
    expect(await open(keyring, 'email', (await people())[3]?.email as Buffer)).toBe(value)
  })
})
