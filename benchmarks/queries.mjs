// What queries on encrypted properties cost, beside the same queries on plain indexed columns, in one
// PostgreSQL and one run.
//
// Usage: npm run bench -- queries [--quick] [--rows N] [--json FILE]
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { createKeyring, generateRootKey, inAppKeyProvider } from 'mortise'
import { withEncryption } from 'mortise/typeorm'
import { DataSource } from 'typeorm'
import { startPostgres } from './postgres.mjs'
import { measureQuestion, observe } from './queries/measure.mjs'
import { BUCKET_ROWS, createRandom, fillTables, phoneBits, schemasFor } from './queries/people.mjs'
import { questionsFor } from './queries/questions.mjs'
import { measureRewriting } from './queries/rewriting.mjs'

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean' }, rows: { type: 'string' }, json: { type: 'string' } },
  allowPositionals: true,
})
const quick = options.quick ?? false
const rows = Number(options.rows ?? (quick ? 10_000 : 100_000))
if (!Number.isSafeInteger(rows) || rows < 10_000) throw new Error('--rows must be 10000 or more')
const effort = quick
  ? { minRounds: 3, maxRounds: 10, budgetMs: 500, rendering: 20 }
  : { minRounds: 7, maxRounds: 100, budgetMs: 4000, rendering: 200 }

const postgres = await startPostgres()
try {
  const report = await run(postgres.url)
  printReport(report)
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
} finally {
  await postgres.stop()
}

async function run(url) {
  const schemas = schemasFor(rows)
  const secret = generateRootKey()
  const encrypt = (dataSource, more) => {
    const providers = [inAppKeyProvider({ name: 'bench', secret })]
    return withEncryption(dataSource, { keyring: createKeyring({ providers }), ...more })
  }
  const connect = (entities, more) => new DataSource({ type: 'postgres', url, entities, ...more })
  const entities = [...schemas.sealed, ...schemas.plain]
  const sealedSource = encrypt(connect(entities, { synchronize: true }))
  const raisedSource = encrypt(connect(schemas.sealed), { maxRefine: rows })
  const plainSource = connect(schemas.plain)
  const sources = [sealedSource, raisedSource, plainSource]
  for (const dataSource of sources) await dataSource.initialize()
  try {
    const sealed = sideOf(sealedSource, schemas.sealed)
    const raised = sideOf(raisedSource, schemas.sealed)
    const plain = sideOf(plainSource, schemas.plain)
    const random = createRandom(1)
    const repositories = { sealed: sealed.repositories, plain: plain.repositories }
    const insertSeconds = await fillTables(repositories, rows, random)
    const queries = []
    const pick = (below) => Math.floor(random() * below)
    for (const question of questionsFor(rows)) {
      const sides = [
        ['sealed', sealed],
        ...(question.raised ? [['raised', raised]] : []),
        ['plain', plain],
      ]
      const measured = await measureQuestion(question, sides, pick, effort)
      queries.push({ name: question.name, ...measured })
    }
    const twin = sealedSource.getRepository(schemas.plain[0])
    const rewriting = await measureRewriting(
      { ...repositories, sealedTwin: twin },
      rows,
      effort.rendering,
    )
    const sizes = await sizesOf(plainSource)
    return { ...(await conditions(plainSource)), insertSeconds, sizes, queries, rewriting }
  } finally {
    for (const dataSource of sources) await dataSource.destroy()
  }
}

function sideOf(dataSource, [person, visit]) {
  const repositories = {
    people: dataSource.getRepository(person),
    visits: dataSource.getRepository(visit),
  }
  return { repositories, seen: observe(dataSource) }
}

async function conditions(dataSource) {
  const [{ server_version: postgresVersion }] = await dataSource.query('SHOW server_version')
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    machine: `${cpus().length} x ${cpus()[0]?.model}`,
    postgres: postgresVersion,
    rows,
    bucketRows: BUCKET_ROWS,
    phoneBits: phoneBits(rows),
  }
}

/** Megabytes of the two tables of people, and of the index on each of their columns. */
async function sizesOf(dataSource) {
  const sizes = await dataSource.query(
    `SELECT t.relname AS name, NULL AS indexed, pg_relation_size(t.oid) / 1e6 AS megabytes
     FROM pg_class t WHERE t.relname IN ('sealed_person', 'plain_person')
     UNION ALL SELECT t.relname, a.attname, pg_relation_size(i.indexrelid) / 1e6
     FROM pg_class t JOIN pg_index i ON i.indrelid = t.oid
     JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = 1
     WHERE t.relname IN ('sealed_person', 'plain_person')`,
  )
  const of = (name, column) =>
    Number(sizes.find((one) => one.name === name && one.indexed === column)?.megabytes)
  return [null, 'email_hmac', 'phone_hmac', 'surname_lofi', 'income_lofi'].map((column) => ({
    what: column === null ? 'table' : `index on ${column}`,
    sealed: of('sealed_person', column),
    plain: of('plain_person', column?.replace(/_(hmac|lofi)$/, '') ?? null),
  }))
}

function printReport(report) {
  const { node, machine, date, insertSeconds: seconds } = report
  console.log(`Node ${node}, ${machine}, PostgreSQL ${report.postgres}, ${date}`)
  console.log(
    `${rows} rows, ${BUCKET_ROWS} in a bucket; inserted in ${seconds.sealed.toFixed(1)} s, ` +
      `the twin in ${seconds.plain.toFixed(1)} s\n`,
  )
  console.log('| query | ms | p95 | plain ms | p95 | ratio | statements | rows sent | plain |')
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|--:|')
  for (const { name, sealed, raised, plain } of report.queries) {
    printQuery(name, sealed, plain)
    if (raised) printQuery(`${name}, maxRefine raised`, raised, plain)
  }
  console.log('\n| MB | encrypted | plain |\n|---|--:|--:|')
  for (const { what, sealed, plain } of report.sizes) {
    console.log(`| ${what} | ${sealed.toFixed(1)} | ${plain.toFixed(1)} |`)
  }
  console.log('\n| in the process | µs |\n|---|--:|')
  for (const { name, medianUs } of report.rewriting)
    console.log(`| ${name} | ${medianUs.toFixed(1)} |`)
}

function printQuery(name, sealed, plain) {
  const times = [sealed.medianMs, sealed.p95Ms, plain.medianMs, plain.p95Ms].map((ms) =>
    ms.toFixed(2),
  )
  const ratio = sealed.refused ?? `${(sealed.medianMs / plain.medianMs).toFixed(1)}x`
  console.log(
    `| ${[name, ...times, ratio, sealed.statements, sealed.rows, plain.rows].join(' | ')} |`,
  )
}
