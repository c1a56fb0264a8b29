import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src'
import { rotateKek } from '../../src/rotation'
import { createDatabase, type TestDatabase } from '../database'
import { type CountedProvider, countedProvider } from './counted-provider'
import { type Setup, setUp } from './people'
import { Person, Visit } from './tenants'

const SUBJECTS = 10_000
const secret = generateRootKey()

let database: TestDatabase
const opened: Setup[] = []

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  for (const { dataSource } of opened) await dataSource.destroy()
  await database?.drop()
})

/** A process of its own, with nothing in memory. */
async function start(
  more: Record<string, unknown> = {},
): Promise<Setup & { counted: CountedProvider }> {
  const counted = countedProvider(secret)
  const keyring = { providers: [counted.provider], cache: { epochPollMs: 60_000 } }
  const setup = await setUp(database.url, [Person, Visit], more, { keyring })
  opened.push(setup)
  return { ...setup, counted }
}

const idOf = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`

function people(from: number, to: number): { id: string; name: string }[] {
  return Array.from({ length: to - from }, (_, i) => ({ id: idOf(from + i), name: `n${from + i}` }))
}

/** Statements on the table of subject keys since the log was emptied, by their verb. */
function subjectKeyStatements({ log }: Setup): string[] {
  return log.flatMap((line) => {
    if (!line.includes('mortise_subject_key')) return []
    return /\bINSERT\b/.test(line) ? ['INSERT'] : ['SELECT']
  })
}

describe('subject keys in bulk', () => {
  it('cost one INSERT for 1,000 new subjects, and no provider call', async () => {
    const { counted, ...setup } = await start()
    const repository = setup.dataSource.getRepository(Person)
    await repository.insert(people(0, 1))
    const before = await countKeys(setup)
    counted.reset()
    setup.log.length = 0
    await repository.insert(people(1, 1_000))
    expect(counted.calls).toEqual({})
    expect(await countKeys(setup)).toBe(before + 999)
    // PostgreSQL marks each row with the transaction and the command that wrote it.
    const commands: unknown[] = await setup.dataSource.query(
      'SELECT DISTINCT xmin::text, cmin::text FROM mortise_subject_key',
    )
    expect(commands).toHaveLength(2)
  })

  it('cost one query, and no provider call beyond one per KEK, for 10,000 rows of 10,000 subjects', async () => {
    const writer = await start({ synchronize: false })
    const half = SUBJECTS / 2
    const repository = writer.dataSource.getRepository(Person)
    for (let at = 1_000; at < half; at += 1_000) await repository.insert(people(at, at + 1_000))
    const { version } = await rotateKek(writer.keyring, { purpose: 'data' })
    expect(version).toBe(2)
    for (let at = half; at < SUBJECTS; at += 1_000) await repository.insert(people(at, at + 1_000))
    const { counted, ...setup } = await start({ synchronize: false })
    setup.log.length = 0
    const found = await setup.dataSource.getRepository(Person).find()
    expect(new Set(found.map(({ name }) => name)).size).toBe(SUBJECTS)
    expect(subjectKeyStatements(setup)).toEqual(['SELECT'])
    // From its start on: once for each version of the KEK, and for the index KEK behind subject_refs.
    expect(counted.calls).toEqual({ 'unwrap kek': 3 })
    counted.reset()
    setup.log.length = 0
    expect(await setup.dataSource.getRepository(Person).find()).toHaveLength(SUBJECTS)
    expect(counted.calls).toEqual({})
    expect(subjectKeyStatements(setup)).toEqual([])
  })
})

async function countKeys({ dataSource }: Setup): Promise<number> {
  const [row] = await dataSource.query('SELECT count(*)::int AS count FROM mortise_subject_key')
  return row.count
}
