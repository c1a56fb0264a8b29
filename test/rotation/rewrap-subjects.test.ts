import { beforeEach, describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import type { Keyring } from '../../src/keys/keyring'
import { keyAccess } from '../../src/keys/keyring'
import { generateRootKey } from '../../src/providers/in-app'
import { census } from '../../src/rotation/census'
import { history } from '../../src/rotation/history'
import { disableKey } from '../../src/rotation/key-state'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { makeKeyring, open, seal, type Target, tableOf, useTables } from './tables'

const tables = useTables()
const secret = generateRootKey()
let store: KeyStore
let keyring: Keyring
let target: Target

const SUBJECT_KEYS = { table: 'mortise_subject_key', column: 'wrapped', field: 'subject keys' }
const rotate = async (): Promise<string> => (await rotateKek(keyring, { purpose: 'data' })).keyId
const activeId = async (): Promise<string> => (await keyAccess(keyring).sealingKey()).id

/** One row for each subject, and its envelope. */
async function insertSubjects(count: number): Promise<Buffer[]> {
  const envelopes: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const [email] = await seal(keyring, { email: `mail ${i}` }, { subject: `${i}` })
    await tables.pool.query('INSERT INTO person VALUES ($1, $2)', [i, email])
    envelopes.push(email as Buffer)
  }
  return envelopes
}

beforeEach(async () => {
  await tables.pool.query('DROP TABLE IF EXISTS person')
  await tables.pool.query('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
  store = memoryKeyStore()
  keyring = makeKeyring({ store, secret })
  target = tables.target(keyring, tableOf('person', ['id']))
})

describe('rewrap of values under the keys of subjects', () => {
  it('moves the keys and leaves the values, which open when the old KEK is gone', async () => {
    const previous = await activeId()
    const envelopes = await insertSubjects(7)
    const keyId = await rotate()
    const progress: [string, number, number][] = []
    const report = await rewrap(target, {
      batchSize: 3,
      onProgress: ({ table, done, total }) => progress.push([table, done, total]),
    })
    expect(report).toMatchObject({ keyId, done: 7, current: 7, skipped: 0, failedCount: 0 })
    expect(report.tables).toEqual([
      { table: 'mortise_subject_key', done: 7, current: 0, skipped: 0, failedCount: 0 },
      { table: 'person', done: 0, current: 7, skipped: 0, failedCount: 0 },
    ])
    expect(progress.filter(([table]) => table !== 'person').map(([, done]) => done)).toEqual([
      0, 3, 6, 7, 7,
    ])
    const { rows } = await tables.pool.query('SELECT email FROM person ORDER BY id')
    expect(rows.map(({ email }) => email)).toEqual(envelopes)
    await disableKey(keyring, { keyId: previous })
    const fresh = makeKeyring({ store, secret })
    for (const [i, email] of envelopes.entries()) {
      expect(await open(fresh, 'email', email, { subject: `${i}` })).toBe(`mail ${i}`)
    }
    expect(await rewrap(target)).toMatchObject({ done: 0, current: 14 })
  })

  it('reads no row that holds nothing else', async () => {
    await insertSubjects(3)
    await rotate()
    target.sent.length = 0
    await rewrap(target)
    const pages = target.sent.filter(({ sql }) => sql.includes('ORDER BY r."id" LIMIT $2'))
    expect(pages.map(({ rows }) => rows)).toEqual([[]])
  })

  it('writes nothing in a dry run', async () => {
    await insertSubjects(2)
    const previous = await activeId()
    await rotate()
    expect(await rewrap(target, { dryRun: true })).toMatchObject({ done: 2 })
    expect(await store.countSubjectKeys('default')).toEqual([{ kekId: previous, count: 2 }])
  })

  it('reports keys that were changed, and those whose KEK is disabled, and moves the others', async () => {
    const first = await activeId()
    await insertSubjects(2)
    const second = await rotate()
    await seal(keyring, { email: 'a' }, { subject: 'x' })
    const refs = [...(await keyAccess(keyring).subjectRefs(['x'])).values()]
    const { keys } = await store.loadSubjectKeys('default', { refs, ids: [] })
    const [record] = keys as [(typeof keys)[0]]
    const wrapped = Buffer.from(record.wrapped)
    wrapped[5]! ^= 1
    const next = { kekId: second, wrapped }
    expect(await store.rewrapSubjectKeys([{ id: record.id, wrapped: record.wrapped, next }])).toBe(
      1,
    )
    await seal(keyring, { email: 'b' }, { subject: 'y' })
    const third = await rotate()
    await disableKey(keyring, { keyId: first })
    const report = await rewrap(target, { batchSize: 1 })
    expect(report).toMatchObject({ keyId: third, done: 1, failedCount: 3 })
    expect((await history(target)).at(-1)).toMatchObject({
      outcome: 'incomplete',
      counts: { done: 1, failedCount: 3 },
    })
    const codes = report.failed.map(({ code }) => code).sort()
    expect(codes).toEqual(['ERR_KEY_INTEGRITY', 'ERR_KEY_STATE', 'ERR_KEY_STATE'])
    expect(report.failed).toContainEqual({
      ...SUBJECT_KEYS,
      primaryKey: { id: record.id },
      code: 'ERR_KEY_INTEGRITY',
    })
  })

  it('leaves what another process moved meanwhile', async () => {
    await insertSubjects(4)
    await rotate()
    const { rewrapSubjectKeys } = store
    store.rewrapSubjectKeys = async (changes) => {
      store.rewrapSubjectKeys = rewrapSubjectKeys
      await rewrap(tables.target(makeKeyring({ store, secret }), tableOf('person', ['id'])))
      return rewrapSubjectKeys(changes)
    }
    expect(await rewrap(target)).toMatchObject({ done: 0, skipped: 4 })
    expect(await store.countSubjectKeys('default')).toHaveLength(1)
  })

  it('leaves keys under a newer KEK', async () => {
    await insertSubjects(1)
    const second = await rotate()
    const { pageSubjectKeys } = store
    store.pageSubjectKeys = async (...page) => {
      store.pageSubjectKeys = pageSubjectKeys
      await rotate()
      await seal(keyring, { email: 'a' }, { subject: 'new' })
      return pageSubjectKeys(...page)
    }
    const report = await rewrap(target)
    expect(report).toMatchObject({ keyId: second, done: 1, failedCount: 0 })
    expect(await store.countSubjectKeys('default')).toHaveLength(2)
  })

  it('says that a KEK without material cannot wrap them', async () => {
    await insertSubjects(2)
    const strict = makeKeyring({ store, secret, wrapping: 'provider' })
    await rotateKek(strict, { purpose: 'data' })
    const report = await rewrap(tables.target(strict, tableOf('person', ['id'])))
    expect(report).toMatchObject({ done: 0, failedCount: 2 })
    expect(report.failed.map(({ code }) => code)).toEqual(['ERR_CONFIG', 'ERR_CONFIG'])
  })

  it('stops between two pages when it is aborted', async () => {
    await insertSubjects(4)
    await rotate()
    const controller = new AbortController()
    const { rewrapSubjectKeys } = store
    store.rewrapSubjectKeys = async (changes) => {
      controller.abort(new Error('enough'))
      return rewrapSubjectKeys(changes)
    }
    const run = rewrap(target, { batchSize: 2, signal: controller.signal })
    await expect(run).rejects.toThrow('enough')
    expect((await store.countSubjectKeys('default')).map(({ count }) => count)).toEqual([2, 2])
  })
})

describe('census of values under the keys of subjects', () => {
  it('counts the values of a column together, and the keys by their KEK', async () => {
    const first = await activeId()
    await insertSubjects(3)
    const second = await rotate()
    const [email] = await seal(keyring, { email: 'a' })
    await tables.pool.query('INSERT INTO person VALUES (9, $1)', [email])
    await seal(keyring, { email: 'b' }, { subject: 'z' })
    const place = { table: 'person', column: 'email', field: 'Person.email' }
    const column = { ...place, format: 1, generation: null }
    const old = { keyId: first, keyVersion: 1, state: 'decrypt-only' }
    const active = { keyId: second, keyVersion: 2, state: 'active' }
    const rows = await census(target)
    expect(rows.slice(0, 2)).toEqual([
      { ...column, ...active, subject: false, count: 1 },
      { ...column, keyId: null, keyVersion: null, state: null, subject: true, count: 3 },
    ])
    // And the record of the index that subject_refs are made with.
    expect(rows.slice(2)).toHaveLength(3)
    const keys = { ...SUBJECT_KEYS, format: null, generation: null, subject: false }
    expect(rows).toContainEqual({ ...keys, ...old, count: 3 })
    expect(rows).toContainEqual({ ...keys, ...active, count: 1 })
  })

  it('does not take for one what is too short, or of another format', async () => {
    for (const [i, hex] of ['e104', 'e104ffffffffffffff', 'e204ffffffffffffffff'].entries()) {
      await tables.pool.query(`INSERT INTO person VALUES ($1, decode($2, 'hex'))`, [i, hex])
    }
    expect(
      (await census(target)).map(({ subject, keyId, count }) => [subject, keyId, count]),
    ).toEqual([
      [false, 'ffffffffffffffff', 1],
      [false, null, 2],
    ])
  })
})
