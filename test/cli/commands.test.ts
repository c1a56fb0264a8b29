import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src/providers/in-app'
import {
  type CallOptions,
  type CommandLine,
  type Kill,
  type Outcome,
  openCommandLine,
} from './command-line'

const ROWS = 40
let cli: CommandLine
let client: Client

const onData = (args: string, options?: CallOptions): Promise<Outcome> =>
  cli.mortise([...args.split(' '), '--data-source', 'data-source.cjs'], options)

async function rotate(): Promise<void> {
  const { code, stderr } = await onData('rotate --quiet')
  expect(code, stderr).toBe(0)
}

async function execute(sql: string): Promise<Record<string, string>[]> {
  return (await client.query(sql)).rows
}

async function tables(): Promise<string[]> {
  const sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
  return (await execute(sql)).map(({ tablename }) => String(tablename))
}

/** Ids of the data keys, oldest first. */
async function dataKeys(): Promise<string[]> {
  const sql =
    "SELECT encode(id, 'hex') AS id FROM mortise_key WHERE purpose = 'data' ORDER BY version"
  return (await execute(sql)).map(({ id }) => String(id))
}

beforeAll(async () => {
  cli = await openCommandLine('cli')
  client = new Client(cli.database.url)
  await client.connect()
})

afterAll(async () => {
  await client?.end()
  await cli?.database.drop()
})

describe('mortise on a DataSource', () => {
  it('init makes the tables and the first keys, and nothing of the application', async () => {
    const elsewhere = await onData('init', { env: { KEY_FILE: 'keys-of-data.json' } })
    expect(elsewhere.stdout).toContain('domain default is ready, with 2 keys')
    expect(await tables()).toContain('mortise_job')
    expect(await tables()).not.toContain('mortise_key')
    const { code, stdout } = await onData('init', { env: { SYNCHRONIZE: '1' } })
    expect(stdout).toContain('domain default is ready, with 2 keys')
    expect(code).toBe(0)
    expect(await tables()).toContain('mortise_key')
    expect((await tables()).filter((name) => !name.startsWith('mortise_'))).toEqual([])
    const seeded = await cli.node(['seed.cjs', String(ROWS)], { env: { SYNCHRONIZE: '1' } })
    expect(seeded.code).toBe(0)
  })

  it('with --json only objects reach stdout, whatever the modules of the project print', async () => {
    const { code, events, stderr } = await onData('keys --json')
    expect(code).toBe(0)
    const [keyId] = await dataKeys()
    expect(events()).toEqual([
      {
        ...{ event: 'result', command: 'keys', domain: 'default' },
        keys: expect.arrayContaining([
          {
            ...{ id: keyId, purpose: 'data', version: 1, state: 'active' },
            ...{ createdAt: expect.any(String), providers: ['in-app:main'] },
          },
        ]),
      },
    ])
    expect(stderr).toBe('a banner that some module prints\n')
  })

  it('rotates, rewraps, and answers by exit code whether the old key is needed', async () => {
    const rotated = await onData('rotate')
    const [before, after] = (await dataKeys()) as [string, string]
    expect(rotated.stdout).toContain(`data key ${after} (version 2) is the active one now.`)
    expect(rotated.stdout).toContain(`Key ${before} opens what it sealed.`)
    expect((await onData(`census --key ${before} --quiet`)).code).toBe(4)
    const dry = await onData('rewrap --dry-run')
    expect(dry.stdout).toContain(`would move to key ${after}`)
    expect((await onData(`census --key ${before}`)).code).toBe(4)
    const { code, stdout, stderr } = await onData('rewrap --batch-size 10 --workers 2 --max-lag 9')
    expect(stdout).toMatch(/^person +40 +40 +0 +0$/m)
    expect(stdout).toMatch(/^mortise_subject_key +2 +0 +0 +0$/m)
    expect(stderr).toMatch(/^person: 42 of 42 in all, /m)
    expect(code).toBe(0)
    const asked = await onData(`census --key ${before} --json`)
    expect(asked.events().at(-1)).toMatchObject({ keyId: before, count: 0, unused: true })
    expect(asked.code).toBe(0)
    expect((await onData(`census --key ${after}`)).code).toBe(4)
    expect((await onData('census')).stdout).toMatch(
      new RegExp(`^person +email +${after} +2 +active +1 +40$`, 'm'),
    )
  })

  it('a value that cannot be moved is exit code 3, named by place and code and nothing else', async () => {
    await execute(
      "UPDATE person SET email = overlay(email placing '\\x00'::bytea from 60) WHERE id = 7",
    )
    await rotate()
    const { code, stdout, stderr } = await onData('rewrap')
    expect(code, stdout + stderr).toBe(3)
    expect(stdout).toContain('failed: person.email where id=7: ERR_DECRYPTION_FAILED')
    expect(stdout + stderr).not.toContain('example.com')
    expect((await onData('rewrap --quiet')).stdout).toBe('a banner that some module prints\n')
    await execute('DELETE FROM person WHERE id = 7')
  })

  it('reencrypt takes keys by their ids, and says which fields keep the keys of their subjects', async () => {
    const [before] = (await dataKeys()) as [string]
    const none = await onData(`reencrypt --key ${before} --key ffffffffffffffff`)
    expect(none.stdout).toMatch(/^0 values sealed again under key [0-9a-f]{16} in /m)
    const { code, stdout } = await onData('reencrypt --batch-size 10')
    expect(stdout).toContain(`${2 * (ROWS - 1)} values sealed again under key `)
    expect(stdout).toMatch(
      /^Under the keys of their subjects, which stay the same: person\.iban\.$/m,
    )
    expect(code).toBe(0)
    const wrong = await onData('reencrypt --key 123')
    expect(wrong.code).toBe(2)
  })

  it('verify ends with 4 where something cannot be read', async () => {
    expect((await onData('verify')).stdout).toMatch(/^\d+ values verified in /m)
    const { code, stdout } = await onData('verify --open --workers 2')
    expect(stdout).toMatch(/^person +78 +0 +0 +0$/m)
    expect(code, stdout).toBe(0)
    const flip =
      'UPDATE person SET email_hmac = set_byte(email_hmac, 5, get_byte(email_hmac, 5) # 1) WHERE id = 3'
    await execute(flip)
    expect((await onData('verify --quiet')).code).toBe(0)
    const wrong = await onData('verify --open')
    expect(wrong.stdout).toContain('failed: person.email where id=3: ERR_INDEX_MISMATCH')
    expect(wrong.code).toBe(4)
    await execute(flip)
    const done = await onData('verify --open --retry')
    expect(done.code, done.stdout + done.stderr).toBe(0)
  })

  it('SIGTERM stops a job behind its batch; the same command goes on', async () => {
    const args = 'rewrap --json --batch-size 1'
    await rotate()
    let told = false
    const stopped = await onData(args, {
      onOutput: (text, kill) => {
        if (!told && text.includes('"done":')) told = kill('SIGTERM')
      },
    })
    expect(stopped.code).toBe(143)
    expect(stopped.stderr).toContain('run the same command again to go on')
    expect(stopped.events().at(-1)).toMatchObject({ event: 'error', code: 'INTERRUPTED' })
    const finished = await onData(args)
    expect(finished.code).toBe(0)
    const { done, current } = finished.events().at(-1) as Record<string, number>
    expect(done).toBeGreaterThan(0)
    expect(Number(done) + Number(current)).toBe(2 * (ROWS - 1) + 2)
  })

  it('jobs shows the last one, and refuses to cancel what has ended', async () => {
    const { stdout } = await onData('jobs')
    expect(stdout).toMatch(/^rewrap [0-9a-f]{16} ended at .+Z.*: 1 of 1 shard done$/m)
    expect(stdout).toMatch(/^person +\d+ +\d+ +0 +0$/m)
    const event = (await onData('jobs --json')).events().at(-1) as {
      jobs: { jobId: string; verb: string }[]
    }
    const job = event.jobs.find(({ verb }) => verb === 'rewrap')
    expect(job).toMatchObject({ state: 'ended', workers: [] })
    expect((await onData(`jobs --cancel ${job?.jobId}`)).code).toBe(2)
    const refused = await onData(`jobs --cancel ${job?.jobId} --yes`)
    expect(refused.stderr).toContain('ERR_CONFIG')
    expect(refused.code).toBe(1)
  })

  it('a second signal ends it at once, and what is written stays', async () => {
    await rotate()
    await client.query('BEGIN; LOCK TABLE person IN EXCLUSIVE MODE')
    const delivered: boolean[] = []
    let interrupted: Promise<void> | undefined
    const interrupt = async (kill: Kill): Promise<void> => {
      const waiting = 'SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $$person$$::regclass'
      while ((await execute(waiting)).length === 0) await setTimeout(20)
      // What npx hands on in the same moment is no second signal.
      for (const pause of [0, 100, 700]) {
        await setTimeout(pause)
        delivered.push(kill('SIGINT'))
      }
    }
    const stopped = await onData('rewrap', {
      onOutput: (_, kill) => {
        interrupted ??= interrupt(kill)
      },
    })
    await interrupted
    await client.query('COMMIT')
    expect(delivered).toEqual([true, true, true])
    expect(stopped.code).toBe(130)
    expect(stopped.stderr).not.toContain('run the same command again')
    expect((await onData('rewrap --quiet')).code).toBe(0)
  })

  it('a reader that has seen enough is no crash', async () => {
    const script = 'node node_modules/mortise/dist/cli/bin.js keys --json -d data-source.cjs | true'
    const run = `const { spawnSync } = require('node:child_process')
      process.stdout.write(spawnSync('sh', ['-c', process.argv[1]]).stderr)`
    const { stdout } = await cli.node(['-e', run, script])
    expect(stdout).toBe('a banner that some module prints\n')
  })

  it('shred destroys one subject, and writes the certificate', async () => {
    const refused = await onData('shred t1')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('the key of subject t1 in domain default')
    const count = 'SELECT count(*)::int AS n FROM mortise_subject_key'
    expect(await execute(count)).toEqual([{ n: 2 }])
    const args = 'shred - --yes --actor desk --certificate erased.json --json'
    const { code, events } = await onData(args, { input: 't1\n' })
    expect(code).toBe(0)
    expect(await execute(count)).toEqual([{ n: 1 }])
    const certificate = JSON.parse(readFileSync(join(cli.project.folder, 'erased.json'), 'utf8'))
    expect(certificate).toMatchObject({ format: 'mortise/shred/1', actor: 'desk' })
    expect(certificate.tables).toEqual([{ table: 'person', clearedRows: 19 }])
    expect(events().at(-1)).toMatchObject({ command: 'shred', certificate })
  })
})

describe('what destroys something', () => {
  it('is refused where nobody can be asked, and asks on a terminal', async () => {
    const [keyId] = await dataKeys()
    const state = async () =>
      (await execute(`SELECT state FROM mortise_key WHERE encode(id, 'hex') = '${keyId}'`))[0]
        ?.state
    const refused = await onData(`disable ${keyId}`)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(`Everything that key ${keyId} sealed becomes unreadable`)
    const declined = await onData(`disable ${keyId}`, { terminal: true, input: 'no\n' })
    expect(declined.stdout).toContain('Not confirmed: nothing was done.')
    expect(declined.code).toBe(2)
    expect(await state()).toBe('decrypt-only')
    const confirmed = await onData(`disable ${keyId}`, { terminal: true, input: 'yes\n' })
    expect(confirmed.stdout).toContain(`Key ${keyId} is disabled.`)
    expect(confirmed.code).toBe(0)
    expect(await state()).toBe('disabled')
    expect((await onData(`enable ${keyId}`)).code).toBe(0)
    expect(await state()).toBe('decrypt-only')
  })

  it('the last provider is not dropped, --yes or not', async () => {
    const { code, stderr } = await onData('drop-provider in-app:main --yes')
    expect(code).toBe(1)
    expect(stderr).toContain('ERR_CONFIG: in-app:main is the only provider of this keyring')
  })
})

describe('a terminal', () => {
  it('shows a bar with speed and time left', async () => {
    await rotate()
    const { code, stdout } = await onData('rewrap --batch-size 5', { terminal: true })
    expect(code).toBe(0)
    expect(stdout).toMatch(/person [█░]{24} \d+ % \| [\d,]+ of [\d,]+ \| [\d,]+\/s, /)
  })
})

describe('mortise on the environment', () => {
  it('works on the keys alone, also where TypeORM is not installed', async () => {
    const hook = cli.project.write(
      'without-typeorm.cjs',
      `const Module = require('node:module')
      const resolve = Module._resolveFilename
      Module._resolveFilename = function (request, ...more) {
        if (request === 'typeorm') throw new Error('no typeorm here')
        return resolve.call(this, request, ...more)
      }`,
    )
    const env = {
      NODE_OPTIONS: `--require ${hook}`,
      MORTISE_KEY_PROVIDERS: 'in-app:main',
      MORTISE_ROOT_KEY: generateRootKey(),
      MORTISE_KEY_STORE: `file:${join(cli.project.folder, 'keys.json')}`,
    }
    expect((await cli.mortise(['init'], { env })).stdout).toContain('with 2 keys')
    const rotated = await cli.mortise(['rotate', '--json'], { env })
    expect(rotated.events()).toEqual([
      expect.objectContaining({ event: 'result', command: 'rotate', purpose: 'data', version: 2 }),
    ])
    const wrapped = await cli.mortise(['rotate-root'], { env })
    expect(wrapped.stdout).toContain('3 keys wrapped by in-app:main')
    const wrong = await cli.mortise(['rotate'], { env: { ...env, MORTISE_ROOT_KEYS: 'x' } })
    expect(wrong.stderr).toBe(
      'mortise: ERR_CONFIG: the environment variable MORTISE_ROOT_KEYS is no setting of mortise; check its spelling\n',
    )
    expect(wrong.code).toBe(1)
  })

  it('says what it needs', async () => {
    const { code, stderr } = await cli.mortise(['keys'])
    expect(code).toBe(2)
    expect(stderr).toContain('give --data-source FILE, or set MORTISE_KEY_PROVIDERS and')
  })
})

describe('mortise inspect', () => {
  it('explains what psql prints, without keys', async () => {
    const [row] = await execute('SELECT email::text FROM person LIMIT 1')
    const { code, stdout } = await cli.mortise(['inspect'], { input: `${row?.email}\n` })
    expect(stdout).toContain('Nothing of this is authenticated')
    expect(stdout).toMatch(/^key +[0-9a-f]{16} +KEK that wraps the DEK/m)
    expect(code).toBe(0)
    const json = await cli.mortise(['inspect', '--json', String(row?.email)])
    expect(json.events()).toEqual([expect.objectContaining({ command: 'inspect', format: 1 })])
  })

  it.each([
    ['mrt2.AAAA', 1, 'ERR_ENVELOPE_VERSION'],
    ['neither', 2, 'this is neither mrt1.…, hex, base64 nor base64url'],
  ])('%s is refused', async (word, code, message) => {
    const outcome = await cli.mortise(['inspect', word])
    expect(outcome.stderr).toContain(message)
    expect(outcome.code).toBe(code)
  })
})

describe('--data-source', () => {
  const ENCRYPTED = "require('./data-source.cjs').dataSource"
  const PLAIN =
    "new (require('typeorm').DataSource)({ type: 'postgres', url: process.env.DATABASE_URL })"
  const keysOf = async (file: string, text: string, env = {}): Promise<Outcome> => {
    cli.project.write(file, text)
    return cli.mortise(['keys', '-d', file], { env })
  }

  it('takes the one DataSource of a module, under any name, itself or as a promise', async () => {
    const outcomes = await Promise.all([
      keysOf('a.cjs', `module.exports = ${ENCRYPTED}`),
      keysOf('b.cjs', `const one = ${ENCRYPTED}; module.exports = { one, again: one, other: 5 }`),
      keysOf('c.js', `exports.default = Promise.resolve(${ENCRYPTED})`),
      keysOf('d.cjs', `exports.started = ${ENCRYPTED}.initialize()`),
      keysOf('e.mjs', "import it from './data-source.cjs'\nexport default it.dataSource"),
      keysOf('f.mjs', "import it from './data-source.cjs'\nexport const ds = await it.dataSource"),
    ])
    for (const { code, stdout, stderr } of outcomes) {
      expect(stdout + stderr).toContain('domain default')
      expect(code).toBe(0)
    }
  })

  it('is refused with the reason, and never with a stack or a password', async () => {
    const nowhere = { DATABASE_URL: 'postgres://me:sesame@127.0.0.1:9/none' }
    const outcomes = await Promise.all([
      cli.mortise(['keys', '-d', 'nowhere.js']),
      keysOf('g.cjs', 'module.exports = 7'),
      keysOf('h.cjs', `module.exports = { a: ${ENCRYPTED}, b: ${PLAIN} }`),
      keysOf('i.cjs', `module.exports = ${PLAIN}`),
      keysOf('j.cjs', "throw new Error('no config')"),
      keysOf('k.ts', 'export {}'),
      keysOf('l.cjs', `module.exports = ${ENCRYPTED}`, nowhere),
    ])
    const expected = [
      /^mortise: ERR_CONFIG: there is no file .*nowhere\.js$/m,
      /^mortise: ERR_CONFIG: .*g\.cjs exports no DataSource: export the one that withEncryption/m,
      /^mortise: ERR_CONFIG: .*h\.cjs exports more than one DataSource/m,
      /^mortise: ERR_CONFIG: this DataSource has no encrypted tables/m,
      /^mortise: ERR_CONFIG: cannot load .*j\.cjs: no config$/m,
      /^mortise: ERR_CONFIG: .*k\.ts is TypeScript, and this project has none of ts-node/m,
      /^mortise: ECONNREFUSED: connect ECONNREFUSED 127\.0\.0\.1:9$/m,
    ]
    for (const [place, { code, stderr }] of outcomes.entries()) {
      expect(stderr).toMatch(expected[place] as RegExp)
      expect(stderr).not.toMatch(/sesame|^ {4}at /m)
      expect(code).toBe(1)
    }
    const debug = await cli.mortise(['keys', '-d', 'j.cjs'], { env: { DEBUG: 'mortise' } })
    expect(debug.stderr).toMatch(/caused by Error: no config\n {4}at /)
  })

  it('of another copy of mortise is refused', async () => {
    const other = join(cli.project.folder, 'other')
    const manifest = join('node_modules', 'mortise', 'package.json')
    mkdirSync(join(other, 'node_modules', 'mortise'), { recursive: true })
    copyFileSync(join(cli.project.folder, manifest), join(other, manifest))
    writeFileSync(join(other, 'm.cjs'), "module.exports = require('../data-source.cjs')")
    const { code, stderr } = await cli.mortise(['keys', '-d', 'other/m.cjs'])
    expect(stderr).toContain('run it by npx in that project')
    expect(code).toBe(1)
  })
})

describe('wrong usage', () => {
  it('is exit code 2, and help is 0', async () => {
    const calls = [[], ['rewarp'], ['rewrap'], ['disable', 'x'], ['keys', '--secret', 'x']]
    const outcomes = await Promise.all([
      ...calls.map((args) => cli.mortise(args)),
      onData('rewrap --batch-size 0'),
    ])
    expect(outcomes.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 2])
    expect(outcomes[1]?.stderr).toContain('Did you mean rewrap?')
    expect(outcomes[3]?.stderr).toContain('A key id is 16 lower-case hex digits')
    const help = await Promise.all(
      [['--help'], ['rewrap', '--help'], ['--version']].map((args) => cli.mortise(args)),
    )
    expect(help.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(help[1]?.stdout).toMatch(/Cost: [\s\S]*Examples:[\s\S]*Exit codes:/)
  })
})
