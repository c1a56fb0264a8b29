import { beforeEach, describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Keyring } from '../../src/keys/keyring'
import { generateRootKey } from '../../src/providers/in-app'
import type { JobProgress } from '../../src/rotation/job/job-options'
import { disableKey } from '../../src/rotation/key-state'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import type { EncryptedTable } from '../../src/schema'
import { rejection } from '../keys/fixtures'
import { keyIdIn, makeKeyring, open, seal, type Target, tableOf, useTables } from './tables'

interface Person {
  readonly id: number
  readonly email: Buffer | null
  readonly phone: Buffer | null
}

const tables = useTables()
let keyring: Keyring
let table: EncryptedTable
let target: Target

async function execute(sql: string, ...parameters: unknown[]): Promise<unknown[]> {
  return (await tables.pool.query(sql, parameters)).rows
}

const people = async (): Promise<Person[]> =>
  (await execute('SELECT id, email, phone FROM person ORDER BY id')) as Person[]

/** Rows 1 to `count` with both fields, sealed under the active key. */
async function insertPeople(count: number, from = 1): Promise<void> {
  for (let id = from; id < from + count; id++) {
    const sealed = await seal(keyring, { email: `p${id}@example.com`, phone: `+44 ${id}` })
    await execute('INSERT INTO person VALUES ($1, $2, $3)', id, ...sealed)
  }
}

async function rotate(): Promise<string> {
  return (await rotateKek(keyring, { purpose: 'data' })).keyId
}

beforeEach(async () => {
  await execute('DROP TABLE IF EXISTS person')
  await execute('CREATE TABLE person (id integer PRIMARY KEY, email bytea, phone bytea)')
  keyring = makeKeyring()
  table = tableOf('person', ['id'], ['email', 'phone'])
  target = tables.target(keyring, table)
})

describe('rewrap', () => {
  it('moves every value to the active key; all bytes behind the key block stay', async () => {
    await insertPeople(25)
    const before = await people()
    const keyId = await rotate()
    const report = await rewrap(target, { batchSize: 10 })
    expect(report).toEqual({
      ...{ keyId, done: 50, current: 0, skipped: 0, failedCount: 0, failed: [] },
      tables: [{ table: 'person', done: 50, current: 0, skipped: 0, failedCount: 0 }],
      seconds: expect.any(Number),
      jobId: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    for (const [i, { id, email, phone }] of (await people()).entries()) {
      for (const [old, now] of [
        [before[i]?.email, email],
        [before[i]?.phone, phone],
      ] as [Buffer, Buffer][]) {
        expect(keyIdIn(now)).toBe(keyId)
        expect(now.subarray(0, 2)).toEqual(old.subarray(0, 2))
        expect(now.subarray(10, 50)).not.toEqual(old.subarray(10, 50))
        expect(now.subarray(50)).toEqual(old.subarray(50))
      }
      expect(await open(keyring, 'email', email as Buffer)).toBe(`p${id}@example.com`)
      expect(await open(keyring, 'phone', phone as Buffer)).toBe(`+44 ${id}`)
    }
  })

  it('is idempotent: current values are passed by and not written', async () => {
    await insertPeople(3)
    await rotate()
    await rewrap(target)
    const versions = await execute('SELECT xmin::text, ctid::text FROM person ORDER BY id')
    const report = await rewrap(target)
    expect(report).toMatchObject({ done: 0, current: 6, skipped: 0, failedCount: 0 })
    expect(await execute('SELECT xmin::text, ctid::text FROM person ORDER BY id')).toEqual(versions)
  })

  it('writes each row once, and the columns that need it only', async () => {
    await insertPeople(2)
    await execute('UPDATE person SET phone = NULL WHERE id = 2')
    const keyId = await rotate()
    const [, phone] = await seal(keyring, { email: 'new', phone: 'new' })
    await execute('UPDATE person SET phone = $1 WHERE id = 1', phone)
    expect(await rewrap(target)).toMatchObject({ done: 2, current: 1 })
    expect(updates()).toHaveLength(1)
    const [first, second] = await people()
    expect(first?.phone).toEqual(phone)
    expect(second?.phone).toBeNull()
    expect([first, second].map((row) => keyIdIn(row?.email as Buffer))).toEqual([keyId, keyId])
  })

  it('gives fields of one record equal key blocks again, whatever their flags', async () => {
    const sealed = await seal(keyring, { email: 'a', phone: 'b' }, { pads: { phone: 64 } })
    await execute('INSERT INTO person VALUES (1, $1, $2)', ...sealed)
    await rotate()
    await rewrap(target)
    const [row] = await people()
    expect(row?.email?.subarray(2, 82)).toEqual(row?.phone?.subarray(2, 82))
    expect([row?.email?.[1], row?.phone?.[1]]).toEqual([0, 2])
    expect(await open(keyring, 'phone', row?.phone as Buffer)).toBe('b')
  })

  it('sees a rotation by another process, however seldom this one looks', async () => {
    const shared = { store: memoryKeyStore(), secret: generateRootKey() }
    keyring = makeKeyring({ ...shared, epochPollMs: 60_000 })
    await insertPeople(1)
    const { keyId } = await rotateKek(makeKeyring(shared), { purpose: 'data' })
    expect(await rewrap(tables.target(keyring, table))).toMatchObject({ keyId, done: 2 })
  })

  it('moves what several older keys seal', async () => {
    await insertPeople(1)
    await rotate()
    await insertPeople(1, 2)
    const keyId = await rotate()
    expect(await rewrap(target)).toMatchObject({ keyId, done: 4 })
  })

  it('never moves a value back from a key that is newer than its target', async () => {
    await insertPeople(2)
    const keyId = await rotate()
    let newest = ''
    once(/^SELECT g\.place/, async () => {
      newest = await rotate()
      const [email] = await seal(keyring, { email: 'newest' })
      await execute('UPDATE person SET email = $1 WHERE id = 1', email)
    })
    expect(await rewrap(target)).toMatchObject({ keyId, done: 3, failedCount: 0, skipped: 0 })
    const [first] = await people()
    expect(keyIdIn(first?.email as Buffer)).toBe(newest)
    expect(keyIdIn(first?.phone as Buffer)).toBe(keyId)
  })

  it('reports progress from 0 to the total, per table', async () => {
    await insertPeople(5)
    await rotate()
    const seen: JobProgress[] = []
    await rewrap(target, { batchSize: 2, onProgress: (progress) => seen.push(progress) })
    expect(seen.map(({ done }) => done)).toEqual([0, 4, 8, 10, 10])
    expect(new Set(seen.map(({ table: name, total }) => `${name} ${total}`))).toEqual(
      new Set(['person 10']),
    )
  })

  it('writes nothing in a dry run, and finds what would fail', async () => {
    await insertPeople(3)
    await flip('email', 2, 60)
    await rotate()
    const before = await people()
    const report = await rewrap(target, { dryRun: true, batchSize: 2 })
    expect(report).toMatchObject({ done: 5, failedCount: 1 })
    expect(await people()).toEqual(before)
    expect(updates()).toHaveLength(0)
  })

  it.each([0, 10_001, 1.5, Number.NaN])('refuses a batchSize of %s', async (batchSize) => {
    await rejection(rewrap(target, { batchSize }), 'ERR_CONFIG')
    expect(target.sent).toEqual([])
  })

  it('refuses an object without a schema, a table without its key, and a table that is not there', async () => {
    await rejection(rewrap({}), 'ERR_CONFIG')
    const noKey = tables.target(keyring, tableOf('person', ['uuid']))
    expect((await rejection(rewrap(noKey), 'ERR_CONFIG')).message).toContain('person')
    const noTable = tables.target(keyring, tableOf('nobody', ['id']))
    expect((await rejection(rewrap(noTable), 'ERR_CONFIG')).message).toContain('nobody')
  })
})

describe('what travels', () => {
  it('is what is wrong with one of two equal heads, and the other that is sound', async () => {
    await insertPeople(3)
    await execute('UPDATE person SET email = substring(email from 1 for 90) WHERE id = 1')
    await execute('UPDATE person SET phone = substring(phone from 1 for 90) WHERE id = 2')
    await execute('UPDATE person SET email = NULL WHERE id = 3')
    const keyId = await rotate()
    const { done, failed } = await rewrap(target)
    expect(done).toBe(3)
    expect(failed.map(({ primaryKey, column, code }) => [primaryKey.id, column, code])).toEqual([
      ['1', 'email', 'ERR_ENVELOPE_MALFORMED'],
      ['2', 'phone', 'ERR_ENVELOPE_MALFORMED'],
    ])
    const [one, two, three] = await people()
    const sound = [one?.phone, two?.email, three?.phone].map((value) => keyIdIn(value as Buffer))
    expect(sound).toEqual([keyId, keyId, keyId])
  })

  it('are heads and key blocks: a large value stays in the database', async () => {
    const [email, phone] = await seal(keyring, { email: 'x'.repeat(3_000_000), phone: 'short' })
    await execute('INSERT INTO person VALUES (1, $1, $2)', email, phone)
    await rotate()
    await rewrap(target)
    for (const { parameters, rows } of target.sent) {
      expect(JSON.stringify([parameters, rows]).length).toBeLessThan(3000)
      for (const { h1, h2 } of rows) {
        // Written together, they have one head.
        if (Buffer.isBuffer(h1)) expect([h1.length, (h2 as Buffer).length]).toEqual([82, 1])
      }
    }
    const [row] = await people()
    // Compared as a whole: matchers go through three million elements one by one.
    expect(row?.email?.subarray(50).equals(email?.subarray(50) as Buffer)).toBe(true)
    expect(String(await open(keyring, 'email', row?.email as Buffer)).length).toBe(3_000_000)
  })

  it('is nothing at all of what is no envelope', async () => {
    await execute(
      'INSERT INTO person (id, email) VALUES (1, $1)',
      Buffer.from('plaintext '.repeat(50)),
    )
    await rotate()
    expect(await rewrap(target)).toMatchObject({ failedCount: 1 })
    const pages = target.sent.flatMap(({ rows }) => rows).filter((row) => 'h1' in row)
    expect(pages).toEqual([{ k1: '1', h1: Buffer.alloc(0), h2: null }])
  })
})

describe('values that cannot be done', () => {
  it.each([
    ['the wrapped DEK', 20, 'ERR_DECRYPTION_FAILED'],
    ['the commitment', 81, 'ERR_DECRYPTION_FAILED'],
    ['the key id', 5, 'ERR_KEY_NOT_FOUND'],
    ['the magic', 0, 'ERR_ENVELOPE_VERSION'],
  ])('are reported where %s was changed, and the others are done', async (_, byte, code) => {
    await insertPeople(5)
    await flip('email', 3, byte)
    const before = (await people())[2]?.email
    const keyId = await rotate()
    const { done, failedCount, failed } = await rewrap(target, { batchSize: 2 })
    expect({ done, failedCount }).toEqual({ done: 9, failedCount: 1 })
    const place = { table: 'person', column: 'email', field: 'Person.email' }
    expect(failed).toEqual([{ ...place, primaryKey: { id: '3' }, code }])
    const after = await people()
    expect(after[2]?.email).toEqual(before)
    expect(keyIdIn(after[2]?.phone as Buffer)).toBe(keyId)
    expect(await rewrap(target)).toMatchObject({ done: 0, failedCount: 1 })
  })

  it.each([
    ['empty', ''],
    ['shorter than a key id', 'e100'],
    ['cut behind the commitment', `e100${'ab'.repeat(80)}`],
    ['without a ciphertext', `e100${'ab'.repeat(96)}`],
    ['plaintext', Buffer.from('ada@example.com').toString('hex')],
  ])('include a value that is %s', async (_, hex) => {
    await insertPeople(1)
    await execute(`UPDATE person SET email = decode($1, 'hex')`, hex)
    await rotate()
    const { done, failedCount, failed } = await rewrap(target)
    expect({ done, failedCount }).toEqual({ done: 1, failedCount: 1 })
    expect(failed[0]?.code).toBe('ERR_ENVELOPE_MALFORMED')
    expect(await execute(`SELECT encode(email, 'hex') AS hex FROM person`)).toEqual([{ hex }])
  })

  it('include those of a disabled key', async () => {
    await insertPeople(2)
    const [first] = await people()
    await rotate()
    await insertPeople(1, 3)
    await rotate()
    await disableKey(keyring, { keyId: keyIdIn(first?.email as Buffer) })
    const { done, failed } = await rewrap(target)
    expect(done).toBe(2)
    expect(failed.map(({ code }) => code)).toEqual(Array(4).fill('ERR_KEY_STATE'))
  })

  it('are listed up to a bound, and all counted', async () => {
    await execute(
      `INSERT INTO person SELECT n, decode('00', 'hex') FROM generate_series(1, 1500) AS n`,
    )
    const { failedCount, failed } = await rewrap(target, { batchSize: 400 })
    expect([failedCount, failed.length]).toEqual([1500, 1000])
  })
})

describe('concurrent writers', () => {
  it('win: a value written after it was read stays as it was written', async () => {
    await insertPeople(3)
    await rotate()
    const [written] = await seal(keyring, { email: 'written meanwhile' })
    once(/^WITH page/, () => execute('UPDATE person SET email = $1 WHERE id = 2', written))
    const { done, skipped } = await rewrap(target)
    expect({ done, skipped }).toEqual({ done: 5, skipped: 0 })
    expect((await people())[1]?.email).toEqual(written)
  })

  it('win also under the old key, and their value is moved in the next pass', async () => {
    await insertPeople(2)
    const [old] = await seal(keyring, { email: 'old key' })
    const keyId = await rotate()
    once(/^WITH page/, () => execute('UPDATE person SET email = $1 WHERE id = 2', old))
    expect(await rewrap(target)).toMatchObject({ done: 4, skipped: 0 })
    const email = (await people())[1]?.email as Buffer
    expect([keyIdIn(email), await open(keyring, 'email', email)]).toEqual([keyId, 'old key'])
  })

  it('are not waited for: a locked row is left, counted, and done by the next run', async () => {
    await insertPeople(3)
    const keyId = await rotate()
    const client = await tables.connect()
    try {
      await client.query('BEGIN')
      await client.query('UPDATE person SET id = id WHERE id = 2')
      expect(await rewrap(target)).toMatchObject({ done: 4, skipped: 2, failedCount: 0 })
      await client.query('COMMIT')
    } finally {
      client.release()
    }
    expect(await rewrap(target)).toMatchObject({ keyId, done: 2, current: 4, skipped: 0 })
  })

  it('may delete rows', async () => {
    await insertPeople(3)
    await rotate()
    once(/^WITH page/, () => execute('DELETE FROM person WHERE id = 1'))
    expect(await rewrap(target)).toMatchObject({ done: 4, skipped: 0 })
  })
})

describe('interruption', () => {
  it('by a signal keeps the pages that are done, and a second run does the rest', async () => {
    await insertPeople(6)
    const keyId = await rotate()
    const abort = new AbortController()
    const onProgress = ({ done }: JobProgress): void => {
      if (done >= 4) abort.abort(new Error('enough'))
    }
    const run = rewrap(target, { batchSize: 2, signal: abort.signal, onProgress })
    await expect(run).rejects.toThrow('enough')
    const current = (await people()).filter(({ email }) => keyIdIn(email as Buffer) === keyId)
    expect(current.map(({ id }) => id)).toEqual([1, 2])
    expect(await rewrap(target)).toMatchObject({ done: 12, current: 0 })
  })

  it('before the start does nothing', async () => {
    const signal = AbortSignal.abort()
    await expect(rewrap(target, { signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(target.sent).toEqual([])
  })

  it('by the database keeps the pages that are done', async () => {
    await insertPeople(4)
    await rotate()
    let written = 0
    target.before = (sql) => {
      if (sql.startsWith('WITH page') && written++ === 1) throw new Error('connection lost')
    }
    await expect(rewrap(target, { batchSize: 2 })).rejects.toThrow('connection lost')
    target.before = undefined
    expect(await rewrap(target)).toMatchObject({ done: 8, current: 0 })
  })

  it('happens where the target key is disabled meanwhile', async () => {
    // The second page may have its keys already.
    await insertPeople(6)
    const keyId = await rotate()
    let pages = 0
    target.before = async (sql) => {
      if (!sql.startsWith('WITH page') || pages++ > 0) return
      await rotate()
      await disableKey(keyring, { keyId })
    }
    await rejection(rewrap(target, { batchSize: 2 }), 'ERR_KEY_STATE')
  })
})

describe('primary keys', () => {
  it.each([
    ['uuid', 'uuid', 'gen_random_uuid()'],
    ['text', 'text', `'row ' || n || ' "{},\\'`],
    ['text in another collation', 'text COLLATE "C"', `chr(64 + n) || 'é'`],
    ['character varying', 'character varying(12)', `'v' || n`],
    ['character', 'character(8)', `'c' || n`],
    ['bigint', 'bigint', '9007199254740992 + n'],
    ['numeric', 'numeric', '0.1 * n - 1'],
    ['timestamp', 'timestamp with time zone', `'2024-02-29'::timestamptz + n * interval '1.001 s'`],
    ['date', 'date', `'2024-02-25'::date + n`],
    ['bytea', 'bytea', `decode(lpad(to_hex(n * 51), 4, '0'), 'hex')`],
  ])('of type %s are paged through', async (_, type, expression) => {
    await execute('DROP TABLE IF EXISTS keyed')
    await execute(`CREATE TABLE keyed (id ${type} PRIMARY KEY, email bytea)`)
    for (let n = 1; n <= 7; n++) {
      const [email] = await seal(keyring, { email: `${n}` })
      await execute(`INSERT INTO keyed SELECT ${expression}, $1 FROM (SELECT ${n} AS n)`, email)
    }
    const keyId = await rotate()
    const keyed = tables.target(keyring, tableOf('keyed', ['id']))
    expect(await rewrap(keyed, { batchSize: 2 })).toMatchObject({ done: 7, skipped: 0 })
    const rows = (await execute('SELECT email FROM keyed')) as { email: Buffer }[]
    expect(new Set(rows.map(({ email }) => keyIdIn(email)))).toEqual(new Set([keyId]))
  })

  it('of several columns are compared as rows, with names that need quotes', async () => {
    await execute('CREATE SCHEMA IF NOT EXISTS "My Clinic"')
    await execute('DROP TABLE IF EXISTS "My Clinic"."Visit ""1"""')
    await execute(
      'CREATE TABLE "My Clinic"."Visit ""1""" ("Ward" text, no bigint, "e-mail" bytea, PRIMARY KEY ("Ward", no))',
    )
    for (const ward of ['A', 'B', 'C']) {
      for (let no = 3; no >= 1; no--) {
        const [sealed] = await seal(keyring, { 'e-mail': `${ward}${no}` })
        await execute('INSERT INTO "My Clinic"."Visit ""1""" VALUES ($1, $2, $3)', ward, no, sealed)
      }
    }
    await execute(
      `UPDATE "My Clinic"."Visit ""1""" SET "e-mail" = '' WHERE "Ward" = 'B' AND no = 2`,
    )
    await rotate()
    const visit = tableOf('Visit "1"', ['Ward', 'no'], ['e-mail'], 'My Clinic')
    const visits = tables.target(keyring, visit)
    const { done, failed } = await rewrap(visits, { batchSize: 2 })
    expect(done).toBe(8)
    expect(failed).toMatchObject([
      { table: 'My Clinic."Visit ""1"""', primaryKey: { Ward: 'B', no: '2' } },
    ])
  })
})

describe('several tables', () => {
  it('are added up', async () => {
    await execute('DROP TABLE IF EXISTS guest')
    await execute('CREATE TABLE guest (id integer PRIMARY KEY, email bytea)')
    const [email] = await seal(keyring, { email: 'guest' })
    await execute('INSERT INTO guest VALUES (1, $1)', email)
    await insertPeople(2)
    await rotate()
    const both = tables.target(keyring, table, tableOf('guest', ['id']))
    const report = await rewrap(both)
    expect(report.done).toBe(5)
    expect(report.tables.map(({ table: name, done }) => [name, done])).toEqual([
      ['person', 4],
      ['guest', 1],
    ])
  })
})

/** Changes the data right before the first statement that matches is sent. */
function once(statement: RegExp, work: () => Promise<unknown>): void {
  target.before = async (sql) => {
    if (!statement.test(sql)) return
    target.before = undefined
    await work()
  }
}

function updates(): string[] {
  return target.sent.map(({ sql }) => sql).filter((sql) => /\bUPDATE "person".*\bSET\b/s.test(sql))
}

/** Changes one bit of one stored value. */
async function flip(column: string, id: number, byte: number, mask = 0x02): Promise<void> {
  await execute(
    `UPDATE person SET ${column} = set_byte(${column}, $2, get_byte(${column}, $2) # $3) WHERE id = $1`,
    ...[id, byte, mask],
  )
}
