// What an application pays once: loading the modules, starting, and the package on its disk.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { interleave } from '../lib/interleave.mjs'
import { startPostgres } from '../lib/postgres.mjs'
import { progress } from '../lib/progress.mjs'
import { number, ratio, spread } from '../lib/report.mjs'
import { summarize } from '../lib/statistics.mjs'
import { ENTITIES, startsOn } from '../start/starting.mjs'

const execute = promisify(execFile)
const ROOT = new URL('../../', import.meta.url)

export async function run({ quick, rounds = quick ? 3 : 15 }) {
  progress('start: imports')
  const imports = await measureImports(rounds)
  progress('start: withEncryption')
  const { starts, postgres } = await measureStarts(rounds)
  progress('start: package')
  const size = await packageSize()
  return {
    tables: [importsTable(imports, rounds), startsTable(starts, rounds), sizeTable(size)],
    conditions: { postgres },
    measurements: {
      imports: Object.fromEntries(imports),
      starts: Object.fromEntries(starts),
      package: size,
    },
  }
}

/** Each in a process of its own. @returns summaries of milliseconds by name */
async function measureImports(rounds) {
  const { exports } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))
  const entries = Object.entries(exports).filter(([, conditions]) => conditions.import)
  const contenders = new Map(
    entries.map(([entry, conditions]) => [
      entry.replace('.', 'mortise'),
      () => importTime(new URL(conditions.import.default, ROOT).href),
    ]),
  )
  const typeorm = new URL(exports['./typeorm'].import.default, ROOT).href
  contenders.set('typeorm itself', () => importTime('typeorm'))
  contenders.set('mortise/typeorm, after typeorm', () => importTime('typeorm', typeorm))
  const samples = await interleave(contenders, { rounds })
  return new Map([...samples].map(([name, all]) => [name, summarize(all)]))
}

async function importTime(...modules) {
  const script = fileURLToPath(new URL('../start/import-time.mjs', import.meta.url))
  const { stdout } = await execute(process.execPath, [script, ...modules])
  return Number(stdout)
}

async function measureStarts(rounds) {
  const postgres = await startPostgres()
  try {
    const contenders = await startsOn(postgres.createDatabase)
    const samples = await interleave(contenders, { rounds, warmUp: 2 })
    const starts = [...samples].map(([name, all]) => [
      name,
      { ms: summarize(all.map(({ ms }) => ms)), calls: Math.max(...all.map(({ calls }) => calls)) },
    ])
    return { starts: new Map(starts), postgres: postgres.version }
  } finally {
    await postgres.stop()
  }
}

/** What `npm publish` would pack, as it is built now. */
async function packageSize() {
  const { stdout } = await execute('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: fileURLToPath(ROOT),
    maxBuffer: 2 ** 26,
  })
  const [{ size, unpackedSize, entryCount }] = Object.values(JSON.parse(stdout))
  return { packed: size, unpacked: unpackedSize, files: entryCount }
}

const notesOn = (rounds) => `Medians of ${rounds} rounds, distance of the quartiles in brackets.`

function importsTable(imports, rounds) {
  return {
    title: 'import of an entry point, ms',
    notes: `${notesOn(rounds)} Each in a process of its own, with the packages that it needs.`,
    columns: ['', 'ms'],
    rows: [...imports].map(([name, ms]) => [name, spread(ms)]),
  }
}

function startsTable(starts, rounds) {
  const plain = starts.get('plain TypeORM')
  return {
    title: `start of ${ENTITIES} entities of five properties, ms`,
    notes: `${notesOn(rounds)} From \`new DataSource\` until \`initialize()\` is done; tables and keys exist.`,
    columns: ['', 'ms', 'ratio', 'provider calls'],
    rows: [...starts].map(([name, { ms, calls }]) => [
      name,
      spread(ms),
      ratio(ms, plain.ms),
      String(calls),
    ]),
  }
}

function sizeTable({ packed, unpacked, files }) {
  return {
    title: 'the package',
    columns: ['', 'kB'],
    rows: [
      ['packed', packed / 1000],
      [`unpacked, ${number(files)} files`, unpacked / 1000],
    ],
  }
}
