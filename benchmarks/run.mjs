// Runs the benchmarks, all parts or those that are named, against the package as it is built.
//
// Usage: npm run bench -- [value] [page] [query] [job] [start] [wrapping]
//   [--quick] [--nodes 20,24] [--rows N] [--rounds N]
//   [--out FOLDER [--add]] [--markdown FILE] [--json FILE]
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { executablesFor } from './lib/nodes.mjs'
import { progress } from './lib/progress.mjs'
import { renderGoals, renderRun, withEarlier, writeReport } from './lib/report.mjs'

const PARTS = ['value', 'page', 'query', 'job', 'start', 'wrapping']

const { values, positionals } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    rows: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string' },
    add: { type: 'boolean', default: false },
    markdown: { type: 'string' },
    json: { type: 'string' },
  },
  allowPositionals: true,
})
const unknown = positionals.filter((part) => !PARTS.includes(part))
if (unknown.length > 0)
  throw new Error(`no part is named ${unknown.join(', ')}: ${PARTS.join(', ')}`)
const parts = positionals.length > 0 ? positionals : PARTS
const options = {
  quick: values.quick,
  rows: wholeNumber('rows'),
  rounds: wholeNumber('rounds'),
}
const files = {
  markdown: values.markdown ?? (values.out && join(values.out, 'benchmarks.md')),
  json: values.json ?? (values.out && join(values.out, 'benchmarks.json')),
}

if (values.add && !files.json) throw new Error('--add needs a report to add to: --out or --json')

const runs = []
for (const executable of executablesFor(values.nodes?.split(','))) {
  for (const part of parts) {
    progress(`${part}: ${executable}`)
    const run = await runPart(part, executable)
    runs.push(run)
    console.log(`${renderRun(run)}\n`)
    // After each part: what takes hours is not lost where the last part fails.
    writeReport(values.add ? withEarlier(runs, files.json) : runs, files)
  }
}
const goals = renderGoals(runs)
if (goals) console.log(goals)

function runPart(part, execPath) {
  const child = fork(new URL('./lib/part-process.mjs', import.meta.url), { execPath })
  child.send({ part, options })
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', () => reject(new Error(`the part ${part} failed`)))
  })
}

/** @returns undefined where the option is not given: each part has a number of its own */
function wholeNumber(name) {
  if (values[name] === undefined) return undefined
  const given = Number(values[name])
  if (!Number.isSafeInteger(given) || given < 1) throw new Error(`--${name} must be a whole number`)
  return given
}
