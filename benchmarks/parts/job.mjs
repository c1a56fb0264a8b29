// How fast jobs write, beside plain UPDATE statements over the same columns, in one PostgreSQL that
// waits for its disk.
import { generateRootKey, inAppKeyProvider } from '../../dist/index.mjs'
import { createAdopting } from '../job/adopting.mjs'
import { AT_ONCE, IN_PAGES, PAGE } from '../job/records.mjs'
import { createRewrapping } from '../job/rewrapping.mjs'
import { countCalls } from '../lib/count-calls.mjs'
import { interleave } from '../lib/interleave.mjs'
import { startPostgres } from '../lib/postgres.mjs'
import { progress } from '../lib/progress.mjs'
import { number, spread } from '../lib/report.mjs'
import { median, summarize } from '../lib/statistics.mjs'
import { timed } from '../lib/timed.mjs'

const SHAPES = [1, 3]
const VERBS = { rewrap: createRewrapping, adopt: createAdopting }

export async function run({ quick, rows = quick ? 20_000 : 1_000_000, rounds = quick ? 1 : 3 }) {
  if (rows < PAGE) throw new Error(`the part job needs --rows of ${PAGE} or more`)
  const postgres = await startPostgres({ durable: true })
  try {
    const results = []
    for (const [verb, create] of Object.entries(VERBS)) {
      for (const columns of SHAPES) {
        const calls = countCalls(inAppKeyProvider({ name: 'bench', secret: generateRootKey() }))
        const url = await postgres.createDatabase(`${verb}_${columns}`)
        const contest = await create({ url, provider: calls.provider, columns, rows })
        try {
          const samples = await measureContest(contest, calls, {
            rounds,
            what: `${verb}, ${columns}`,
          })
          results.push({ verb, columns, samples })
        } finally {
          await contest.close()
        }
      }
    }
    return report(results, { rows, rounds, version: postgres.version })
  } finally {
    await postgres.stop()
  }
}

async function measureContest(contest, calls, { rounds, what }) {
  const contenders = new Map(
    [...contest.contenders].map(([name, work]) => [
      name,
      async () => {
        progress(`job: ${what} columns: ${name}`)
        // What one leaves behind is tidied up before the next one begins.
        await contest.before()
        await contest.dataSource.query('CHECKPOINT')
        const sample = await measure(calls, work)
        if (name !== AT_ONCE && name !== IN_PAGES) await contest.afterJob()
        return sample
      },
    ]),
  )
  const samples = await interleave(contenders, { rounds, warmUp: 0 })
  await contest.verify()
  return samples
}

async function measure(counted, work) {
  const calls = counted.calls
  const memory = []
  let sampledAt = performance.now()
  const onProgress = ({ done, total }) => {
    if (performance.now() - sampledAt < 50) return
    sampledAt = performance.now()
    const { rss, heapUsed } = process.memoryUsage()
    memory.push({ share: done / total, rss, heapUsed })
  }
  const { ms, processorMs } = await timed(() => work(onProgress))
  const processorSeconds = processorMs / 1000
  return { seconds: ms / 1000, processorSeconds, calls: counted.calls - calls, memory }
}

function report(results, { rows, rounds, version }) {
  const summarized = results.map(({ verb, columns, samples }) => ({
    ...{ verb, columns },
    contenders: new Map([...samples].map(([name, all]) => [name, summarizeJob(all, rows)])),
  }))
  return {
    tables: Object.keys(VERBS).map((verb) => jobTable(verb, summarized, { rows, rounds })),
    conditions: { postgres: version, rows },
    measurements: Object.fromEntries(
      summarized.map(({ verb, columns, contenders }) => [
        `${verb}, ${columns} columns`,
        Object.fromEntries(contenders),
      ]),
    ),
    measured: goalsOf(summarized),
  }
}

function summarizeJob(samples, rows) {
  const memory = samples.flatMap((sample) => sample.memory)
  const peak = (key, from, to) => {
    const some = memory.filter(({ share }) => share >= from && share < to)
    return some.length > 0 ? Math.max(...some.map((one) => one[key])) / 2 ** 20 : null
  }
  const halves = (key) => [peak(key, 0, 0.5), peak(key, 0.5, 1.01)]
  return {
    seconds: summarize(samples.map(({ seconds }) => seconds)),
    processorSeconds: summarize(samples.map(({ processorSeconds }) => processorSeconds)),
    rowsPerSecond: rows / median(samples.map(({ seconds }) => seconds)),
    providerCalls: Math.max(...samples.map(({ calls }) => calls)),
    rssMegabytes: halves('rss'),
    heapMegabytes: halves('heapUsed'),
  }
}

function jobTable(verb, summarized, { rows, rounds }) {
  return {
    title: `${verb} of ${number(rows)} rows beside plain UPDATE`,
    notes:
      `Medians of ${rounds} rounds, distance of the quartiles in brackets; pages of ${PAGE}. The ` +
      "processor time is that of the process that runs the job, without PostgreSQL's.",
    columns: [
      ...['encrypted columns', 'contender', 'seconds', 'rows/s', 'to one statement', 'to pages'],
      ...['processor s', 'provider calls', 'RSS MB, halves', 'heap MB, halves'],
    ],
    rows: summarized
      .filter((one) => one.verb === verb)
      .flatMap(({ columns, contenders }) =>
        [...contenders].map(([name, job]) => rowOf(columns, name, job, contenders)),
      ),
  }
}

function rowOf(columns, name, job, contenders) {
  const speed = (other) => number(job.rowsPerSecond / contenders.get(other).rowsPerSecond)
  const halves = (pair) => pair.map((mb) => mb?.toFixed(0) ?? '-').join(', ')
  return [
    String(columns),
    name,
    spread(job.seconds),
    number(Math.round(job.rowsPerSecond)),
    ...[speed(AT_ONCE), speed(IN_PAGES)],
    ...[spread(job.processorSeconds), String(job.providerCalls)],
    ...[halves(job.rssMegabytes), halves(job.heapMegabytes)],
  ]
}

/** The best number of workers counts: it is an option of the job. */
function goalsOf(summarized) {
  const measured = {}
  for (const { verb, columns, contenders } of summarized) {
    if (columns !== 1) continue
    const jobs = [...contenders].filter(([name]) => name.startsWith(verb))
    const best = Math.max(...jobs.map(([, { rowsPerSecond }]) => rowsPerSecond))
    for (const [plain, name] of [
      [IN_PAGES, 'UPDATE in pages'],
      [AT_ONCE, 'one UPDATE over all rows'],
    ]) {
      measured[`${verb} rows per second / ${name}`] = best / contenders.get(plain).rowsPerSecond
    }
  }
  return measured
}
