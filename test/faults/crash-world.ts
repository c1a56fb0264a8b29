import { Pool } from 'pg'
import { DataSource, EntitySchema, type Repository } from 'typeorm'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import { census } from '../../src/rotation/census'
import { encryptedColumn, withEncryption } from '../../src/typeorm'
import { createDatabase } from '../database'

/** A row of the table under test; both encrypted columns have an index column. */
export interface Person {
  readonly id: number
  readonly email: string
  readonly income: number
  readonly visits: number
}

/** The same table as in crash-child.mjs. */
const PERSON = new EntitySchema<Person>({
  name: 'person',
  columns: {
    id: { type: 'int', primary: true },
    ...encryptedColumn<Person>('email', { type: 'string', exact: true }),
    ...encryptedColumn<Person>('income', { type: 'number', range: { step: 1000 } }),
    visits: { type: 'int' },
  },
})

/** The seeded value of a row. */
export const personOf = (id: number, version = 0): Person => {
  return { id, email: `person${id}.${version}@example.com`, income: id * 100 + version, visits: 0 }
}

/** A connection of its own, as another process has one. */
export interface Participant {
  readonly dataSource: DataSource
  readonly keyring: Keyring
  readonly people: Repository<Person>
}

/** A database under fault, and what watches over it. */
export interface CrashWorld {
  readonly url: string
  readonly secret: string
  readonly observer: Participant
  /**
   * @param name - `job…` for what runs a verb: the database notes what such a connection writes
   * @param url - of a proxy
   */
  join(name: string, url?: string): Promise<Participant>
  execute(sql: string, ...parameters: unknown[]): Promise<Record<string, unknown>[]>
  /** Lets the leases of processes that are gone run out now. */
  passLeases(): Promise<void>
  /**
   * Values that jobs have written, as the table saw it and as the jobs count it: equal at any time, as
   * rows and cursor commit together.
   */
  writtenByJobs(): Promise<{ seen: number; counted: number }>
  /** Removes all jobs, and what they wrote. */
  forgetJobs(): Promise<void>
  close(): Promise<void>
}

/** A place of a shard never goes back, and a shard that is done stays done. */
const WATCH_SHARDS = `
  CREATE FUNCTION watch_shard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.done < old.done OR new.failed < old.failed OR new.fence < old.fence
      OR coalesce((new.cursor_key::json ->> 0)::int, 0) < coalesce((old.cursor_key::json ->> 0)::int, 0)
      OR position(old.state in 'open left done') > position(new.state in 'open left done')
    THEN RAISE EXCEPTION 'the place of shard % went back', old.shard; END IF;
    RETURN new;
  END $$;
  CREATE TRIGGER watch_shard BEFORE UPDATE ON mortise_job_shard
    FOR EACH ROW EXECUTE FUNCTION watch_shard();
  CREATE TABLE job_gone (done bigint);
  CREATE FUNCTION keep_shard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO job_gone VALUES (old.done);
    RETURN old;
  END $$;
  CREATE TRIGGER keep_shard BEFORE DELETE ON mortise_job_shard
    FOR EACH ROW EXECUTE FUNCTION keep_shard()`

/** What a job writes, noted in the transaction that writes it: lost and doubled pages both show. */
const WATCH_PEOPLE = `
  CREATE TABLE job_write (id integer, amount integer);
  CREATE FUNCTION watch_person() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.visits <> old.visits THEN RAISE EXCEPTION 'a job wrote a plain column'; END IF;
    INSERT INTO job_write VALUES (new.id, (old.email IS DISTINCT FROM new.email)::int
      + (old.income IS DISTINCT FROM new.income)::int);
    RETURN new;
  END $$;
  CREATE TRIGGER watch_person AFTER UPDATE ON person FOR EACH ROW
    WHEN (current_setting('application_name') LIKE 'job%') EXECUTE FUNCTION watch_person()`

/** Makes a database with the table, filled with rows 1 to `count`. */
export async function createCrashWorld(count: number): Promise<CrashWorld> {
  const database = await createDatabase()
  const secret = generateRootKey()
  const participants: Participant[] = []
  const join = async (name: string, url = database.url): Promise<Participant> => {
    const keyring = createKeyring({ providers: [inAppKeyProvider({ name: 'main', secret })] })
    const synchronize = participants.length === 0
    const options = { type: 'postgres', url, synchronize, applicationName: name } as const
    const dataSource = new DataSource({ ...options, entities: [PERSON] })
    await withEncryption(dataSource, { keyring }).initialize()
    const participant = { dataSource, keyring, people: dataSource.getRepository(PERSON) }
    participants.push(participant)
    return participant
  }
  const observer = await join('observer')
  const pool = new Pool({ connectionString: database.url, max: 2 })
  await pool.query(WATCH_SHARDS)
  await pool.query(WATCH_PEOPLE)
  await observer.people.insert(Array.from({ length: count }, (_, i) => personOf(i + 1)))
  const execute = async (sql: string, ...parameters: unknown[]) =>
    (await pool.query(sql, parameters)).rows as Record<string, unknown>[]
  return {
    url: database.url,
    secret,
    observer,
    join,
    execute,
    passLeases: async () => void (await execute('UPDATE mortise_job_shard SET lease_until = NULL')),
    writtenByJobs: async () => {
      const [sums] = await execute(`SELECT
        (SELECT coalesce(sum(amount), 0)::int FROM job_write) AS seen,
        (SELECT coalesce(sum(done), 0)::int
          FROM (SELECT done FROM job_gone UNION ALL SELECT done FROM mortise_job_shard) AS s) AS counted`)
      return sums as { seen: number; counted: number }
    },
    forgetJobs: async () => {
      await execute('DELETE FROM mortise_job')
      await execute('TRUNCATE job_write, job_gone')
    },
    close: async () => {
      for (const { dataSource, keyring } of participants) {
        await dataSource.destroy()
        await keyring.close()
      }
      await pool.end()
      await database.drop()
    },
  }
}

/** Values by key id, of the encrypted columns. */
export async function keysInUse({ dataSource }: Participant): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { table, column, keyId, count } of await census(dataSource)) {
    if (table !== 'person' || !['email', 'income'].includes(column)) continue
    counts[String(keyId)] = (counts[String(keyId)] ?? 0) + count
  }
  return counts
}
