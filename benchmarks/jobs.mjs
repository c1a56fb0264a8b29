// How fast jobs write, beside plain UPDATE statements over the same columns, in one PostgreSQL and one
// run.
//
// Usage: npm run bench -- jobs [--quick] [--rows N] [--rounds N] [--json FILE]
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { createKeyring, generateRootKey, inAppKeyProvider } from 'mortise'
import { census, rewrap, rotateKek } from 'mortise/rotation'
import { withEncryption } from 'mortise/typeorm'
import { DataSource } from 'typeorm'
import { countCalls } from './count-calls.mjs'
import { updateAtOnce, updateInPages } from './jobs/plain-update.mjs'
import { columnNames, fill, recordSchema, sealedAs, textOf } from './jobs/records.mjs'
import { startPostgres } from './postgres.mjs'

const PAGE = 1000
const SHAPES = [1, 3]
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    rows: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
  allowPositionals: true,
})
const rows = Number(options.rows ?? (options.quick ? 50_000 : 1_000_000))
const rounds = Number(options.rounds ?? 3)
if (!Number.isSafeInteger(rows) || rows < 1000) throw new Error('--rows must be 1000 or more')

const secret = generateRootKey()
const postgres = await startPostgres({ durable: true })
try {
  const report = []
  for (const columns of SHAPES) report.push(...(await measureShape(postgres.url, columns)))
  print(report)
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
} finally {
  await postgres.stop()
}

function contendersFor(columns) {
  const job = (workers) => [
    `rewrap, ${workers} worker${workers > 1 ? 's' : ''}`,
    (dataSource, onProgress) => rewrap(dataSource, { workers, batchSize: PAGE, onProgress }),
  ]
  return [
    ['UPDATE, one statement', (dataSource) => updateAtOnce(dataSource, columns)],
    ['UPDATE, pages', (dataSource) => updateInPages(dataSource, columns, PAGE)],
    ...[1, 2, 4].map(job),
  ]
}

async function measureShape(url, columns) {
  const counted = countCalls(inAppKeyProvider({ name: 'bench', secret }))
  const keyring = createKeyring({ providers: [counted.provider] })
  const entities = [recordSchema(columns)]
  const dataSource = new DataSource({ type: 'postgres', url, entities, synchronize: true })
  await withEncryption(dataSource, { keyring }).initialize()
  try {
    const records = dataSource.getRepository(`record_${columns}`)
    await fill(records, rows, columns)
    const contenders = contendersFor(columns)
    const samples = new Map(contenders.map(([name]) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      // Each begins once: what one leaves to the next is the same for all of them in the end.
      for (let i = 0; i < contenders.length; i++) {
        const [name, run] = contenders[(i + round) % contenders.length]
        await rest(dataSource, columns)
        const { keyId } = await rotateKek(keyring, { purpose: 'data' })
        samples.get(name).push(await measure(counted, (onProgress) => run(dataSource, onProgress)))
        if (name.startsWith('rewrap')) await checkMoved(dataSource, keyId, columns)
      }
    }
    await checkValues(records, columns)
    return [...samples].map(([name, all]) => summarize(name, columns, all))
  } finally {
    await dataSource.destroy()
    await keyring.close()
  }
}

/** What a statement leaves behind is tidied up before the next one begins. */
async function rest(dataSource, columns) {
  await dataSource.query(`VACUUM ANALYZE record_${columns}`)
  await dataSource.query('CHECKPOINT')
  globalThis.gc?.()
}

async function measure(counted, run) {
  const calls = counted.calls
  const memory = []
  const start = performance.now()
  let sampledAt = start
  await run(({ done, total }) => {
    if (performance.now() - sampledAt < 50) return
    sampledAt = performance.now()
    const { rss, heapUsed } = process.memoryUsage()
    memory.push({ share: done / total, rss, heapUsed })
  })
  const seconds = (performance.now() - start) / 1000
  return { seconds, calls: counted.calls - calls, memory }
}

async function checkMoved(dataSource, keyId, columns) {
  const counts = (await census(dataSource)).filter(({ table }) => table === `record_${columns}`)
  const moved = counts.filter((row) => row.keyId === keyId)
  const total = moved.reduce((sum, { count }) => sum + count, 0)
  if (total !== rows * columns) throw new Error(`${total} of ${rows * columns} values were moved`)
}

async function checkValues(records, columns) {
  for (const id of [1, Math.ceil(rows / 2), rows]) {
    const record = await records.findOneBy({ id })
    for (const name of columnNames(columns)) {
      if (record[name] !== textOf(sealedAs(id), name))
        throw new Error(`record ${id} has another ${name}`)
    }
  }
}

function summarize(name, columns, samples) {
  const memory = samples.flatMap((sample) => sample.memory)
  const peak = (key, from, to) => {
    const some = memory.filter(({ share }) => share >= from && share < to)
    return some.length > 0 ? Math.max(...some.map((one) => one[key])) / 2 ** 20 : null
  }
  const halves = (key) => [peak(key, 0, 0.5), peak(key, 0.5, 1.01)]
  return {
    ...{ name, columns, rows },
    seconds: median(samples.map(({ seconds }) => seconds)),
    all: samples.map(({ seconds }) => seconds),
    providerCalls: Math.max(...samples.map(({ calls }) => calls)),
    rssMegabytes: halves('rss'),
    heapMegabytes: halves('heapUsed'),
  }
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
}

function print(report) {
  const date = new Date().toISOString().slice(0, 10)
  console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${date}`)
  console.log(`${rows} rows, pages of ${PAGE}, medians of ${rounds} rounds\n`)
  console.log(
    '| encrypted columns | | seconds | rows/s | to one statement | to pages | provider calls | RSS MB, halves | heap MB, halves |',
  )
  console.log('|--:|---|--:|--:|--:|--:|--:|---|---|')
  for (const { name, columns, seconds, providerCalls, rssMegabytes, heapMegabytes } of report) {
    const of = (other) => report.find((one) => one.name === other && one.columns === columns)
    const ratio = (other) => (of(other).seconds / seconds).toFixed(2)
    const speed = Math.round(rows / seconds)
    const ratios = [ratio('UPDATE, one statement'), ratio('UPDATE, pages')]
    const memory = [rssMegabytes, heapMegabytes].map((halves) =>
      halves.map((mb) => mb?.toFixed(0) ?? '-').join(', '),
    )
    const cells = [columns, name, seconds.toFixed(2), speed, ...ratios, providerCalls, ...memory]
    console.log(`| ${cells.join(' | ')} |`)
  }
}
