import 'reflect-metadata'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import PgBoss from 'pg-boss'
import { DataSource, EntitySchema } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { createRotationQueue } from '../../src/pg-boss'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import { census, history, jobs, rotateKek } from '../../src/rotation'
import { encryptedColumn, withEncryption } from '../../src/typeorm'
import { userProject } from '../built-package'
import { createDatabase } from '../database'

const ROWS = 2400
const secret = generateRootKey()
let dataSource: DataSource
let keyring: Keyring
let boss: PgBoss
let startWorker: () => Promise<ChildProcessWithoutNullStreams>
const workers: ChildProcessWithoutNullStreams[] = []

const Person = new EntitySchema<{ id: number; email: string }>({
  name: 'Person',
  columns: { id: { type: 'int', primary: true }, ...encryptedColumn('email', { type: 'string' }) },
})

beforeAll(async () => {
  const { url } = await createDatabase()
  const script = userProject('pg-boss').copy('test/faults/pg-boss-child.mjs')
  startWorker = async () => {
    const child = spawn(process.execPath, [script, url, secret])
    child.stderr.pipe(process.stderr)
    workers.push(child)
    await once(child.stdout, 'data')
    return child
  }
  keyring = createKeyring({ providers: [inAppKeyProvider({ name: 'main', secret })] })
  dataSource = new DataSource({ type: 'postgres', url, entities: [Person], synchronize: true })
  await withEncryption(dataSource, { keyring }).initialize()
  const people = Array.from({ length: ROWS }, (_, id) => ({ id, email: `p${id}@example.com` }))
  await dataSource.getRepository(Person).save(people, { chunk: 1000 })
  boss = new PgBoss({ connectionString: url, max: 2, maintenanceIntervalSeconds: 1 })
  await boss.start()
})

afterAll(async () => {
  for (const child of workers) child.kill('SIGKILL')
  await boss?.stop({ graceful: false })
  await dataSource?.destroy()
  await keyring?.close()
})

/** Notes every row that a statement writes, by the shard that it belongs to. */
async function noteWrites(): Promise<void> {
  await dataSource.query(`CREATE TABLE written (id integer);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO written SELECT id FROM changed; RETURN NULL; END $$;
    CREATE TRIGGER noted AFTER UPDATE ON person REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION note()`)
}

async function done(): Promise<number> {
  return (await jobs(dataSource))[0]?.tables[0]?.done ?? 0
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50)
}

describe('four workers in processes of their own', () => {
  it('finish when one of them is killed: each row was rewrapped once', async () => {
    await Promise.all([1, 2, 3, 4].map(startWorker))
    await noteWrites()
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    const queue = createRotationQueue(dataSource, { boss })
    const { jobId, shards } = await queue.start('rewrap', {
      ...{ shardRows: 300, batchSize: 30, leaseSeconds: 1 },
      ...{ expireInSeconds: 6, retryDelay: 1 },
    })
    expect(shards).toBeGreaterThan(4)
    await until(async () => (await done()) > ROWS / 4)
    const held = (await jobs(dataSource))[0]?.workers ?? []
    const [victim] = workers
    victim?.kill('SIGKILL')
    expect(held.length).toBeGreaterThan(1)
    expect(held.some(({ owner }) => owner.includes(`:${victim?.pid}:`))).toBe(true)
    expect(await done()).toBeLessThan(ROWS)
    await until(async () => (await jobs(dataSource))[0]?.state === 'ended')
    expect(
      await dataSource.query(
        'SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM written',
      ),
    ).toEqual([{ n: ROWS, ids: ROWS }])
    expect(await jobs(dataSource)).toMatchObject([
      { jobId, tables: [{ done: ROWS, skipped: 0, failedCount: 0 }], stopped: [] },
    ])
    const records = (await history(dataSource)).filter(({ operation }) => operation === jobId)
    expect(records).toMatchObject([
      { phase: 'begun' },
      { phase: 'ended', outcome: 'done', counts: { done: ROWS } },
    ])
    const values = (await census(dataSource)).filter(({ format }) => format !== null)
    expect(values).toMatchObject([{ keyId, count: ROWS }])
  })
})
