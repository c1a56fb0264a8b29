import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CommandLine, type Outcome, openCommandLine } from './command-line'

let cli: CommandLine

const doctor = (...args: string[]): Promise<Outcome> =>
  cli.mortise(['doctor', '--data-source', 'data-source.cjs', ...args])

async function execute(sql: string): Promise<void> {
  const client = new Client(cli.database.url)
  await client.connect()
  await client.query(sql)
  await client.end()
}

beforeAll(async () => {
  cli = await openCommandLine('doctor')
  await cli.node(['seed.cjs', '5'], { env: { SYNCHRONIZE: '1' } })
})

afterAll(() => cli?.database.drop())

describe('mortise doctor', () => {
  it('ends in 0 where nothing but warnings is found, and in 4 with --strict', async () => {
    const { code, stdout } = await doctor()
    expect(stdout).toMatch(/^ok {7}tables: mortise_\*: the \d+ tables/m)
    expect(stdout).toContain('\nwarning  constraints: person.email (person.email): no CHECK')
    expect(stdout).toContain(
      '\n           ALTER TABLE "person" ADD CONSTRAINT "person_email_sealed"',
    )
    expect(stdout).toMatch(/\n0 problems, 2 warnings, 1 skipped, \d+ ok\n$/)
    expect(code).toBe(0)
    expect((await doctor('--strict', '--quiet')).code).toBe(4)
  })

  it('gives JSON whose commands name the file, and ends in 4 where a problem is found', async () => {
    await execute('UPDATE person SET email_hmac = NULL WHERE id = 3')
    const { code, events } = await doctor('--json', '--deep', '--max-key-age', '90d')
    const [result] = events()
    expect(result).toMatchObject({
      ...{ event: 'result', command: 'doctor' },
      counts: { problem: 1, skipped: 0 },
      findings: expect.arrayContaining([
        expect.objectContaining({
          ...{ check: 'hidden-columns', status: 'problem' },
          subject: 'person.email (person.email_hmac)',
        }),
        expect.objectContaining({ finding: expect.stringContaining('may be for 90') }),
      ]),
    })
    expect(code).toBe(4)
  })

  it.each(['0d', '1y'])('refuses the age %s', async (age) => {
    const { code, stderr } = await doctor('--max-key-age', age)
    expect(stderr).toContain('such as 90d')
    expect(code).toBe(2)
  })
})
