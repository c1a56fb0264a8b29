import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CommandLine, type Outcome, openCommandLine } from './command-line'

let cli: CommandLine
let client: Client

const onData = (args: string): Promise<Outcome> =>
  cli.mortise([...args.split(' '), '--data-source', 'data-source.cjs'], {
    env: { EPOCH_POLL_MS: '50' },
  })

beforeAll(async () => {
  cli = await openCommandLine('cli-retire')
  client = new Client(cli.database.url)
  await client.connect()
  await cli.node(['seed.cjs', '3'], { env: { SYNCHRONIZE: '1' } })
})

afterAll(async () => {
  await client?.end()
  await cli?.database.drop()
})

async function rotated(): Promise<string> {
  const { events } = await onData('rotate --json --actor test')
  return String(events().at(-1)?.previousKeyId)
}

describe('mortise retire and history', () => {
  it('refuse a key that is needed, wait for backups, destroy, and show it all', async () => {
    const key = await rotated()
    const refused = await onData(`retire ${key} --backups-kept 0 --yes`)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/ERR_KEY_IN_USE.*person\.email: 3 values/s)
    await onData('rewrap --quiet')
    const rehearsed = await onData(`retire ${key} --backups-kept 0 --dry-run`)
    expect(rehearsed).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('would be destroyed'),
    })
    const unasked = await onData(`retire ${key} --backups-kept 9`)
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') })
    const waiting = await onData(`retire ${key} --backups-kept 9 --yes --reason yearly`)
    expect(waiting).toMatchObject({ code: 3, stdout: expect.stringContaining('is disabled') })
    const done = await onData(`retire ${key} --backups-kept 0 --yes --json`)
    expect(done.events().at(-1)).toMatchObject({ keyId: key, outcome: 'destroyed' })
    expect(done.code).toBe(0)
    const shown = await onData('history')
    expect(shown.stdout).toMatch(
      new RegExp(`^ *\\d+ .* retire +waiting +${key} .*@.* +yearly$`, 'm'),
    )
    expect(shown.stdout).toMatch(/ rotateKek +done +[0-9a-f]{16} \+1 .*test$/m)
  })

  it('--verify answers by exit code, and --expect sees a cut-off end', async () => {
    const { code, stdout } = await onData('history --verify')
    expect(code).toBe(0)
    const head = /^Head.* (\d+:[0-9a-f]{64})$/m.exec(stdout)?.[1] ?? ''
    expect((await onData(`history --expect ${head} --quiet`)).code).toBe(0)
    await client.query(
      'DELETE FROM mortise_history WHERE sequence = (SELECT max(sequence) FROM mortise_history)',
    )
    expect((await onData('history --verify --quiet')).code).toBe(0)
    const cut = await onData(`history --expect ${head}`)
    expect(cut).toMatchObject({ code: 4, stdout: expect.stringMatching(/^Record \d+ is missing/m) })
    await client.query(`UPDATE mortise_history SET record = '{}' WHERE sequence = 2`)
    const changed = await onData('history --verify --json')
    expect(changed.events().at(-1)).toMatchObject({
      ...{ holds: false, broken: { sequence: 2, problem: 'changed' }, head: { sequence: 1 } },
    })
    expect(changed.code).toBe(4)
    expect((await onData('history --expect nonsense')).code).toBe(2)
    for (const part of ['--verify', `--expect ${head}`]) {
      const { code, stderr } = await onData(`history ${part} --after 1`)
      expect([code, stderr]).toEqual([2, expect.stringContaining('cannot be used with')])
    }
  })
})
