// What TypeORM takes for whole pages: 10,000 rows of five texts read, written and changed, on a real
// PostgreSQL, beside plain columns, the same bytes unopened, and typeorm-encrypted.
import { generateRootKey } from '../../dist/index.mjs'
import { installedVersion } from '../lib/conditions.mjs'
import { interleave } from '../lib/interleave.mjs'
import { openLane } from '../lib/lane.mjs'
import { mortisePaths } from '../lib/native.mjs'
import { startPostgres } from '../lib/postgres.mjs'
import { progress } from '../lib/progress.mjs'
import { number, ratio, spread } from '../lib/report.mjs'
import { summarize } from '../lib/statistics.mjs'
import { KEK_VERSIONS } from '../page/contenders.mjs'

const LANE = new URL('../page/lane.mjs', import.meta.url).href
const PLAIN = 'plain'
const FLOOR = 'transport floor'
const PEER = 'typeorm-encrypted'
const NATIVE = 'mortise, native'

export async function run({ quick, rows = quick ? 3_000 : 10_000, rounds = quick ? 3 : 15 }) {
  const postgres = await startPostgres()
  const lanes = new Map()
  try {
    const options = { rows, changes: Math.min(1000, rows), secret: generateRootKey() }
    for (const { name, env, ...contender } of contenders()) {
      const url = await postgres.createDatabase(`lane_${lanes.size}`)
      lanes.set(name, await openLane(LANE, { ...contender, ...options, url }, env))
    }
    const samples = await measureAll(lanes, rounds)
    const opening = await measureOpening(rows, rounds)
    return report(samples, opening, {
      rows,
      rounds,
      changes: options.changes,
      version: postgres.version,
    })
  } finally {
    for (const lane of lanes.values()) await lane.close()
    await postgres.stop()
  }
}

const contenders = () => [
  { name: PLAIN, contender: 'plain' },
  { name: FLOOR, contender: FLOOR },
  ...(installedVersion(PEER) ? [{ name: PEER, contender: PEER }] : []),
  ...mortisePaths().map(({ path, env }) => ({
    name: `mortise, ${path}`,
    contender: 'mortise',
    env,
  })),
]

/** @returns by operation, by contender: samples */
async function measureAll(lanes, rounds) {
  const samples = new Map()
  const measure = async (operation, count) => {
    progress(`page: ${operation}`)
    const able = new Map()
    for (const [name, lane] of lanes) {
      if (await lane.call('knows', operation)) able.set(name, () => lane.call('measure', operation))
    }
    samples.set(operation, await interleave(able, { rounds: count, warmUp: 2 }))
  }
  const verify = async () => {
    for (const lane of lanes.values()) await lane.call('verify')
  }
  await measure('find', rounds)
  await measure('cold', rounds)
  await measure('hold', rounds)
  await measure('page', rounds * 20)
  await verify()
  await measure('insert', rounds)
  await measure('insertIndexed', rounds)
  await verify()
  await measure('save', rounds)
  return samples
}

/** Of the library alone, by contender: milliseconds for which it held the event loop longest. */
async function measureOpening(rows, rounds) {
  const lanes = new Map()
  try {
    for (const { path, env } of mortisePaths()) {
      const lane = await openLane(
        new URL('../page/opening-lane.mjs', import.meta.url).href,
        { rows },
        env,
      )
      lanes.set(`mortise, ${path}`, lane)
    }
    const able = new Map([...lanes].map(([name, lane]) => [name, () => lane.call('measure')]))
    const samples = await interleave(able, { rounds, warmUp: 2 })
    return new Map([...samples].map(([name, all]) => [name, summarize(all)]))
  } finally {
    for (const lane of lanes.values()) await lane.close()
  }
}

function report(samples, opening, { rows, rounds, changes, version }) {
  const summariesOf = (operation, what) =>
    new Map(
      [...samples.get(operation)].map(([name, all]) => [
        name,
        summarize(all.map((sample) => sample[what])),
      ]),
    )
  const operations = [...samples.keys()]
  const summaries = new Map(operations.map((one) => [one, summariesOf(one, 'ms')]))
  const of = (operation, name) => summaries.get(operation).get(name)
  const names = [...samples.get('find').keys()]
  const thousands = number(rows)
  const times = [
    ['find', `find() of ${thousands} rows x 5`],
    ['page', 'find() of 50 rows x 5'],
    ['insert', `insert of ${thousands} rows x 5`],
    ['insertIndexed', `insert of ${thousands} rows x 5 with an exact and a range index`],
    ['save', `save() of ${number(changes)} changed entities`],
  ].map(([operation, title]) => ({
    title: `${title}, ms`,
    notes: `Medians of ${samples.get(operation).get(PLAIN).length} rounds, distance of the quartiles in brackets.`,
    ...timesTable(names, summaries.get(operation), summariesOf(operation, 'processorMs')),
  }))
  const tables = [...times, coldTable(samples, of), holdTable(names, of, opening, rounds)]
  return {
    tables,
    conditions: { postgres: version, rows },
    measurements: Object.fromEntries(
      [...summaries, ['opening alone', opening]].map(([what, by]) => [
        what,
        Object.fromEntries(by),
      ]),
    ),
    measured: goalsOf(samples, of, opening),
  }
}

function timesTable(names, times, processor) {
  const others = [PLAIN, FLOOR, PEER]
  return {
    columns: [
      ...['', 'ms', ...others.map((other) => `/ ${other}`)],
      ...[`more than ${PLAIN}`, 'processor ms'],
    ],
    rows: names
      .filter((name) => times.has(name))
      .map((name) => [
        name,
        spread(times.get(name)),
        ...others.map((other) => ratio(times.get(name), times.get(other))),
        number(times.get(name).median - times.get(PLAIN).median),
        spread(processor.get(name)),
      ]),
  }
}

/** Keys in memory or not: a process that has just started asks the provider once for each KEK. */
function coldTable(samples, of) {
  const cold = [...samples.get('cold')]
  return {
    title: 'find() with keys in memory and without, ms',
    notes: `The rows are sealed under ${KEK_VERSIONS} versions of the KEK; the root key is in the process.`,
    columns: ['', 'warm', 'cold', 'provider calls for data KEKs, cold', 'KEK versions'],
    rows: cold.map(([name, all]) => [
      name,
      spread(of('find', name)),
      spread(of('cold', name)),
      String(Math.max(...all.map(({ calls }) => calls))),
      String(KEK_VERSIONS),
    ]),
  }
}

function holdTable(names, of, opening, rounds) {
  return {
    title: 'longest hold of the event loop, ms',
    notes:
      `Medians of the longest hold in each of ${rounds} rounds of find() of all rows. The driver's parsing ` +
      'and TypeORM making entities hold it too; the last column is the opening of as many values alone.',
    columns: ['', 'find()', `more than ${PLAIN}`, 'opening alone'],
    rows: names.map((name) => [
      name,
      spread(of('hold', name)),
      number(of('hold', name).median - of('hold', PLAIN).median),
      spread(opening.get(name)),
    ]),
  }
}

function goalsOf(samples, of, opening) {
  const toOther = (operation, other) => {
    const [one, another] = [of(operation, NATIVE), of(operation, other)]
    return one && another ? one.median / another.median : undefined
  }
  const [native, plain] = [of('page', NATIVE), of('page', PLAIN)]
  const calls = [...samples.get('cold').values()].flat().map((sample) => sample.calls)
  return {
    'find 10,000 rows, native / transport floor': toOther('find', FLOOR),
    'find 10,000 rows, native / typeorm-encrypted': toOther('find', PEER),
    'insert 10,000 rows with two indexes, native / plain': toOther('insertIndexed', PLAIN),
    'find 50 rows, native: ms more than plain': native ? native.median - plain.median : undefined,
    'provider calls to read cold / KEK versions': Math.max(...calls) / KEK_VERSIONS,
    'longest hold of the event loop while a page opens, ms': opening.get(NATIVE)?.median,
  }
}
