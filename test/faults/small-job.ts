import { expect } from 'vitest'
import { history, reencrypt, rewrap, rotateKek } from '../../src/rotation'
import { type CrashWorld, createCrashWorld, keysInUse, personOf } from './crash-world'

const PEOPLE = 11
/** The commitment of this person's email was damaged. */
const DAMAGED = 4
/** The first update of this person by a job is as if somebody else held the row. */
const HELD = 7
const VALUES = 2 * PEOPLE - 1

/** Three pages, a value that cannot be done, and a row that is done in a second attempt. */
export const SMALL_JOB = { batchSize: 4, leaseSeconds: 60, actor: 'crash' } as const

/** The verbs that move every value to the active key. */
export const VERBS = { rewrap, reencrypt } as const
export type Verb = keyof typeof VERBS
type Report = Awaited<ReturnType<(typeof VERBS)[Verb]>>

/** A job that is small enough to be ended at each of its statements. */
export interface SmallJob {
  readonly world: CrashWorld
  /** Everything as before the job. */
  reset(): Promise<void>
  /** Id of the job that runs, and what is committed of it. */
  standing(): Promise<{ jobId: string | null; written: number }>
  /**
   * What must hold after the run that followed on one that ended somewhere.
   *
   * @param before - what was found between the two
   */
  expectDone(
    verb: Verb,
    report: Report,
    before: { jobId: string | null; written: number },
  ): Promise<void>
}

const HOLD_ONE = `
  CREATE TABLE held (job_id text);
  CREATE FUNCTION hold_person() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM held) THEN RETURN new; END IF;
    INSERT INTO held VALUES ('');
    RETURN NULL;
  END $$;
  CREATE TRIGGER hold_person BEFORE UPDATE ON person FOR EACH ROW
    WHEN (new.id = ${HELD} AND current_setting('application_name') LIKE 'job%')
    EXECUTE FUNCTION hold_person();
  CREATE TABLE person_before AS TABLE person`

/** Makes the world of the small job: its values are under the previous key. */
export async function createSmallJob(): Promise<SmallJob> {
  const world = await createCrashWorld(PEOPLE)
  const { execute, observer } = world
  await execute(
    'UPDATE person SET email = set_byte(email, 81, get_byte(email, 81) # 1) WHERE id = $1',
    DAMAGED,
  )
  await execute(HOLD_ONE)
  const { keyId, previousKeyId } = await rotateKek(observer.keyring, { purpose: 'data' })
  return {
    world,
    reset: async () => {
      await world.forgetJobs()
      await execute('TRUNCATE person, held')
      await execute('INSERT INTO person SELECT * FROM person_before')
    },
    standing: async () => {
      const { seen, counted } = await world.writtenByJobs()
      expect(counted).toBe(seen)
      const [job] = await execute("SELECT id FROM mortise_job WHERE state = 'running'")
      return { jobId: job ? String(job.id) : null, written: seen }
    },
    expectDone: async (verb, report, { jobId, written }) => {
      const id = expect.stringMatching(/^[0-9a-f]{16}$/)
      // Where nothing runs any more although all is written, only the report was lost.
      const isNew = jobId === null && written > 0
      const isDoneAgain = isNew && verb === 'reencrypt'
      const counts = isNew && !isDoneAgain ? { done: 0, current: VALUES } : { done: VALUES }
      expect(report).toMatchObject({ jobId: jobId ?? id, keyId, ...counts, skipped: 0 })
      expect(report.failed).toMatchObject([{ primaryKey: { id: String(DAMAGED) } }])
      const all = isDoneAgain ? 2 * VALUES : VALUES
      expect(await world.writtenByJobs()).toEqual({ seen: all, counted: all })
      expect(await keysInUse(observer)).toEqual({ [keyId]: VALUES, [String(previousKeyId)]: 1 })
      await expectTwoRecords(world, String(report.jobId))
      await expectValues(world)
    },
  }
}

/** One record of the beginning and one of the end, whoever wrote them. */
async function expectTwoRecords({ observer }: CrashWorld, jobId: string): Promise<void> {
  const records = await history(observer.dataSource)
  const phases = records.filter(({ operation }) => operation === jobId).map(({ phase }) => phase)
  expect(phases).toEqual(['begun', 'ended'])
}

async function expectValues({ observer: { people }, execute }: CrashWorld): Promise<void> {
  const ids = Array.from({ length: PEOPLE }, (_, i) => i + 1).filter((id) => id !== DAMAGED)
  const select = { id: true, email: true, income: true, visits: true } as const
  for (const id of ids) {
    const { email } = personOf(id)
    expect(await people.findOne({ select, where: { email } })).toEqual(personOf(id))
  }
  expect(await execute('SELECT count(*)::int AS n FROM person')).toEqual([{ n: PEOPLE }])
}
