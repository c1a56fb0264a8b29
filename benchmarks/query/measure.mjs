// Puts one question to both tables in turn, counts what the database was asked for and sent, and
// compares the answers.
import { quantile, summarize as summarizeTimes } from '../lib/statistics.mjs'

/** Counts statements and rows of a DataSource from now on. */
export function observe(dataSource) {
  const seen = { statements: 0, rows: 0 }
  dataSource.subscribers.push({
    afterQuery({ rawResults }) {
      seen.statements++
      seen.rows += rawResults?.rows?.length ?? 0
    },
  })
  return seen
}

/**
 * @param sides - `[name, { repositories, seen }]` of the contenders; in every round all of them get
 *   the same question, in turns
 * @returns by name: a summary of milliseconds, medians of statements and rows, the code of a refusal
 */
export async function measureQuestion(question, sides, pick, { minRounds, maxRounds, budgetMs }) {
  const samples = new Map(sides.map(([name]) => [name, []]))
  const begin = performance.now()
  for (let round = -2; round < maxRounds; round++) {
    // Where one round takes seconds, fewer have to do.
    const spent = (performance.now() - begin) / budgetMs
    if ((round >= minRounds && spent > 1) || (round >= 3 && spent > 4)) break
    const choice = question.choose(pick)
    const answers = []
    // The side that begins changes: what one leaves in the caches is there for the other.
    for (const [name, side] of round % 2 === 0 ? sides : sides.toReversed()) {
      const sample = await askOnce(question, side, choice)
      if (sample.answer !== undefined) answers.push(shapeOf(sample.answer, question))
      // The first rounds warm up.
      if (round >= 0) samples.get(name).push(sample)
    }
    if (new Set(answers).size > 1) throw new Error(`answers differ: ${question.name}`)
  }
  return Object.fromEntries([...samples].map(([name, all]) => [name, summarize(all)]))
}

async function askOnce(question, { repositories, seen }, choice) {
  const before = { ...seen }
  const start = performance.now()
  const outcome = await question.ask(repositories, choice).then(
    (answer) => ({ answer }),
    (error) => {
      if (error.code !== 'ERR_REFINE_LIMIT') throw error
      return { refused: error.code }
    },
  )
  const ms = performance.now() - start
  const statements = seen.statements - before.statements
  return { ...outcome, ms, statements, rows: seen.rows - before.rows }
}

function shapeOf(answer, { unordered }) {
  if (!Array.isArray(answer)) return String(answer)
  return unordered ? String(answer.length) : answer.map(({ id }) => id).join()
}

function summarize(samples) {
  const middle = (key) =>
    quantile(
      samples.map((sample) => sample[key]),
      0.5,
    )
  const refused = samples.find((sample) => sample.refused)?.refused
  return {
    ms: summarizeTimes(samples.map(({ ms }) => ms)),
    statements: middle('statements'),
    rows: middle('rows'),
    ...(refused ? { refused } : {}),
  }
}
