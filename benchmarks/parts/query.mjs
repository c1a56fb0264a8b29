// What queries on encrypted properties cost, beside the same queries on plain indexed columns, in one
// PostgreSQL and one run.
import { DataSource } from 'typeorm'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../dist/index.mjs'
import { withEncryption } from '../../dist/typeorm/index.mjs'
import { startPostgres } from '../lib/postgres.mjs'
import { progress } from '../lib/progress.mjs'
import { createRandom } from '../lib/random.mjs'
import { number, ratio, spread } from '../lib/report.mjs'
import { measureQuestion, observe } from '../query/measure.mjs'
import { BUCKET_ROWS, fillTables, phoneBits, schemasFor } from '../query/people.mjs'
import { EXACT_LOOKUP, questionsFor } from '../query/questions.mjs'
import { measureRewriting } from '../query/rewriting.mjs'

export async function run({ quick, rows = quick ? 10_000 : 1_000_000, rounds = quick ? 10 : 400 }) {
  if (rows < 10_000) throw new Error('the part query needs --rows of 10000 or more')
  const effort = quick
    ? { minRounds: 3, maxRounds: rounds, budgetMs: 500 }
    : { minRounds: 7, maxRounds: rounds, budgetMs: 4000 }
  const postgres = await startPostgres()
  const sources = dataSourcesFor(await postgres.createDatabase('query'), rows)
  try {
    for (const dataSource of Object.values(sources)) await dataSource.initialize()
    const measured = await measureAll(sources, rows, effort, quick ? 20 : 200)
    return report({ ...measured, postgres: postgres.version, rows })
  } finally {
    for (const dataSource of Object.values(sources)) {
      if (dataSource.isInitialized) await dataSource.destroy()
    }
    await postgres.stop()
  }
}

function dataSourcesFor(url, rows) {
  const schemas = schemasFor(rows)
  const secret = generateRootKey()
  const encrypt = (dataSource, more) => {
    const providers = [inAppKeyProvider({ name: 'bench', secret })]
    return withEncryption(dataSource, { keyring: createKeyring({ providers }), ...more })
  }
  const connect = (entities, more) => new DataSource({ type: 'postgres', url, entities, ...more })
  return {
    sealed: encrypt(connect([...schemas.sealed, ...schemas.plain], { synchronize: true })),
    raised: encrypt(connect(schemas.sealed), { maxRefine: rows }),
    plain: connect(schemas.plain),
  }
}

async function measureAll(sources, rows, effort, renderings) {
  const sealed = sideOf(sources.sealed, 'sealed')
  const raised = sideOf(sources.raised, 'sealed')
  const plain = sideOf(sources.plain, 'plain')
  const random = createRandom(1)
  progress(`query: filling tables of ${rows} rows`)
  await fillTables([sealed.repositories, plain.repositories], rows, random)
  const pick = (below) => Math.floor(random() * below)
  const answers = new Map()
  for (const question of questionsFor(rows)) {
    progress(`query: ${question.name}`)
    const sides = [
      ['sealed', sealed],
      ...(question.raised ? [['raised', raised]] : []),
      ['plain', plain],
    ]
    answers.set(question.name, await measureQuestion(question, sides, pick, effort))
  }
  progress('query: rewriting')
  const rewriting = await measureRewriting(
    {
      sealed: sealed.repositories,
      plain: plain.repositories,
      sealedTwin: sources.sealed.getRepository('plain_person'),
    },
    rows,
    renderings,
  )
  const sizes = await sizesOf(sources.plain)
  return { answers, rewriting, sizes }
}

function sideOf(dataSource, kind) {
  const repositories = {
    people: dataSource.getRepository(`${kind}_person`),
    visits: dataSource.getRepository(`${kind}_visit`),
  }
  return { repositories, seen: observe(dataSource) }
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

function report({ answers, rewriting, sizes, postgres, rows }) {
  const { sealed, plain } = answers.get(EXACT_LOOKUP)
  return {
    tables: [queriesTable(answers, rows), sizesTable(sizes, rows), rewritingTable(rewriting)],
    conditions: { postgres, rows },
    measurements: {
      queries: Object.fromEntries(answers),
      sizes,
      rewriting: Object.fromEntries(rewriting),
    },
    measured: { 'exact lookup / plain': sealed.ms.median / plain.ms.median },
  }
}

function queriesTable(answers, rows) {
  const row = (name, one, plain) => [
    name,
    spread(one.ms),
    number(one.ms.p95),
    spread(plain.ms),
    number(plain.ms.p95),
    one.refused ?? ratio(one.ms, plain.ms),
    ...[one.statements, one.rows, plain.rows].map(String),
  ]
  return {
    title: `the same queries on encrypted and plain indexed columns, ${number(rows)} rows, ms`,
    notes:
      `Medians with the distance of the quartiles, 95th percentiles. ${number(BUCKET_ROWS)} rows in a bucket ` +
      `of income; tokens of phone have ${phoneBits(rows)} bits. Both sides gave the same answers.`,
    columns: [
      ...['', 'encrypted', 'p95', 'plain', 'p95', 'ratio'],
      ...['statements', 'rows sent', 'rows sent, plain'],
    ],
    rows: [...answers].flatMap(([name, { sealed, raised, plain }]) => [
      row(name, sealed, plain),
      ...(raised ? [row(`${name}, maxRefine raised`, raised, plain)] : []),
    ]),
  }
}

function sizesTable(sizes, rows) {
  return {
    title: `megabytes of ${number(rows)} rows`,
    columns: ['', 'encrypted', 'plain', 'ratio'],
    rows: sizes.map(({ what, sealed, plain }) => [what, sealed, plain, number(sealed / plain)]),
  }
}

function rewritingTable(rewriting) {
  return {
    title: 'rewriting a query in the process, µs',
    columns: ['', 'µs'],
    rows: [...rewriting].map(([name, summary]) => [name, spread(summary)]),
  }
}
