import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CommandLine, type Outcome, openCommandLine } from './command-line'

let cli: CommandLine
let client: Client

const mortise = (args: string, env: NodeJS.ProcessEnv): Promise<Outcome> =>
  cli.mortise([...args.split(' '), '-d', 'changing.cjs'], { env })

async function prepare(count: number, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const { code, stderr } = await cli.node(['changing.cjs', `${count}`], {
    env: { ...env, SYNCHRONIZE: '1' },
  })
  expect(code, stderr).toBe(0)
}

beforeAll(async () => {
  cli = await openCommandLine('cli-changes')
  cli.project.copy('test/cli/changing.cjs')
  client = new Client(cli.database.url)
  await client.connect()
  await prepare(20)
})

afterAll(async () => {
  await client?.end()
  await cli?.database.drop()
})

describe('mortise reindex', () => {
  const env = { NEXT: '1' }

  it('goes to where the new index is asked, and says what is next', async () => {
    await prepare(0, env)
    const dry = await mortise('reindex --dry-run', env)
    expect(dry.stdout).toMatch(/^letter.email +unchanged +1 /m)
    expect(dry.code).toBe(0)
    const { code, stdout } = await mortise('reindex --workers 2', env)
    expect(stdout).toMatch(/^20 values done by backfill in /m)
    expect(stdout).toMatch(/^letter.email +asked +2 /m)
    expect(stdout).toContain('run it with contract')
    expect(code).toBe(0)
  })

  it('asks before there is no way back', async () => {
    const refused = await mortise('reindex --contract', env)
    expect(refused.stderr).toContain(
      'The former index of every field that declares next is given up',
    )
    expect(refused.code).toBe(2)
    const { code, events } = await mortise('reindex --contract --yes --json', env)
    expect(events().at(-1)).toMatchObject({
      ...{ event: 'result', command: 'reindex', complete: true },
      fields: [{ field: 'letter.email', state: 'done', generation: 2 }],
    })
    expect(code).toBe(0)
  })
})

describe('mortise adopt', () => {
  const env = { NEXT: '1', STATE: 'dual' }

  it('goes from state to state, and asks before writes are refused', async () => {
    await prepare(0, env)
    const filled = await mortise('adopt --to backfilled', env)
    expect(filled.stdout).toMatch(/^letter.note +backfilled$/m)
    expect(filled.code).toBe(0)
    const refused = await mortise('adopt --to verified', env)
    expect(refused.stderr).toContain('letter.note: writes that know only the former column')
    expect(refused.code).toBe(2)
    const verified = await mortise('adopt --to verified --yes --json', env)
    expect(verified.events().at(-1)).toMatchObject({
      ...{ event: 'result', command: 'adopt', to: 'verified', done: 20, corrected: 0 },
      states: { 'letter.note': 'verified' },
    })
    expect(verified.code).toBe(0)
  })

  it('needs the deploy between the states', async () => {
    const { code, stderr } = await mortise('adopt --to sealed --yes', env)
    expect(stderr).toContain("ERR_ADOPTION: letter.note declares adopt.state 'dual'")
    expect(code).toBe(1)
    const { rows } = await client.query('SELECT count(note)::int AS n FROM letter')
    expect(rows).toEqual([{ n: 20 }])
  })

  it('a state that does not exist is wrong usage', async () => {
    const { code, stderr } = await mortise('adopt --to done', env)
    expect(stderr).toContain('Allowed choices are dual, backfilled, verified, sealed')
    expect(code).toBe(2)
  })
})
