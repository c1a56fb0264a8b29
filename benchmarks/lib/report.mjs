// A report: what each part measured under each Node, as Markdown for readers and JSON for programs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { goalsTable } from './goals.mjs'

/** Three significant digits, thousands with commas. */
export function number(value) {
  if (value === null || value === undefined) return ''
  if (!Number.isFinite(value)) return String(value)
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))
  return value.toLocaleString('en-US', {
    minimumFractionDigits: Math.min(digits, 2),
    maximumFractionDigits: Math.min(digits, 3),
  })
}

/** A median with the distance of its quartiles in brackets. */
export const spread = (summary) =>
  summary ? `${number(summary.median)} (${number(summary.iqr)})` : ''

/** How many times as long one takes as the other, by their medians. */
export const ratio = (summary, other) =>
  summary && other ? number(summary.median / other.median) : ''

/** One part under one Node. */
export function renderRun({ part, conditions, tables }) {
  const under = conditionsLine(conditions)
  return [
    `## ${part}, Node ${conditions.node}`,
    ...tables.map((table) => `${renderTable(table)}\n\n*${under}*`),
  ].join('\n\n')
}

function conditionsLine({ node, machine, date, postgres, typeorm, nativePath, ...more }) {
  return [
    `Node ${node}`,
    ...(postgres ? [`PostgreSQL ${postgres}`] : []),
    `TypeORM ${typeorm}`,
    ...Object.entries(more).map(([name, value]) => `${name} ${value}`),
    `native path ${nativePath ? 'on' : 'off'}`,
    machine,
    date,
  ].join('; ')
}

function renderTable({ title, columns, rows, notes }) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  const aligned = columns.map((_, i) => (i === 0 ? '---' : '--:'))
  return [
    `### ${title}`,
    '',
    ...(notes ? [notes, ''] : []),
    line(columns),
    line(aligned),
    ...rows.map((cells) =>
      line(cells.map((cell) => (typeof cell === 'number' ? number(cell) : cell))),
    ),
  ].join('\n')
}

/** All runs and, at the end, each goal beside what was measured. */
function renderReport(runs) {
  return [
    '# Benchmark results',
    'Written by `npm run bench`; benchmarks/README.md tells what is compared and how to repeat it.',
    ...runs.map(renderRun),
    renderGoals(runs) ?? '',
  ].join('\n\n')
}

/** @returns null where no part measured a goal */
export function renderGoals(runs) {
  const table = goalsTable(runs)
  return table && `## goals\n\n${renderTable(table)}`
}

/**
 * What was measured before, in other runs: each part under each Node counts once.
 *
 * @param json - a file of {@link writeReport}, which need not exist
 */
export function withEarlier(runs, json) {
  const earlier = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')).runs : []
  const nameOf = ({ part, conditions }) => `${part} ${conditions.node}`
  const measured = new Set(runs.map(nameOf))
  return [...earlier.filter((run) => !measured.has(nameOf(run))), ...runs]
}

/** @param files - by format, `markdown` and `json`, the path to write; either may be missing */
export function writeReport(runs, files) {
  const write = (path, text) => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `${text}\n`)
  }
  if (files.markdown) write(files.markdown, renderReport(runs))
  if (files.json) write(files.json, JSON.stringify({ runs }, sixDigits, 2))
}

const sixDigits = (_, value) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value)
