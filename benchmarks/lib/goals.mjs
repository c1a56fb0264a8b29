// What mortise is to reach, and whether a run shows it. A part reports what it measured for a goal by
// the goal's name; a goal that no part measured is left out.

const GOALS = [
  { name: 'open 64 B, native / typeorm-encrypted', most: 0.5 },
  { name: 'open record, JavaScript / typeorm-encrypted', most: { 20: 1.3, 24: 0.6 } },
  { name: 'open record, native / typeorm-encrypted', most: 0.15 },
  { name: 'seal record, JavaScript / typeorm-encrypted', most: 1.2 },
  { name: 'seal record, native / typeorm-encrypted', most: 0.25 },
  { name: 'find 10,000 rows, native / transport floor', most: 1.4 },
  { name: 'find 10,000 rows, native / typeorm-encrypted', most: { 20: 0.5, 24: 0.15 } },
  { name: 'insert 10,000 rows with two indexes, native / plain', most: 1.6 },
  { name: 'find 50 rows, native: ms more than plain', most: 0.5 },
  { name: 'exact lookup / plain', most: 1.2 },
  { name: 'rewrap rows per second / UPDATE in pages', least: 0.6 },
  { name: 'rewrap rows per second / one UPDATE over all rows', least: 0.6 },
  { name: 'provider calls to read cold / KEK versions', most: 1, least: 1 },
  { name: 'overhead of a 16-byte field, beside its type byte', most: 98, least: 98 },
  { name: 'longest hold of the event loop while a page opens, ms', most: 10 },
]

/** @returns a table for report.mjs; null where no goal was measured */
export function goalsTable(runs) {
  const rows = GOALS.flatMap((goal) =>
    runs
      .filter(({ measured }) => measured[goal.name] !== undefined)
      .map((run) => rowOf(goal, run.measured[goal.name], run.conditions)),
  )
  if (rows.length === 0) return null
  const columns = ['goal', 'Node', 'wanted', 'measured', 'reached']
  return { title: 'Goals and what was measured', columns, rows }
}

function rowOf({ name, most, least }, measured, { node }) {
  const upper = limitFor(most, node)
  const wanted = [
    ...(least !== undefined && least !== upper ? [`>= ${least}`] : []),
    ...(upper !== undefined && least !== upper ? [`<= ${upper}`] : []),
    ...(least !== undefined && least === upper ? [`${least}`] : []),
  ].join(', ')
  return [name, node, wanted, measured, verdict(measured, upper, least)]
}

/** A limit may be that of one major version of Node. */
function limitFor(limit, node) {
  return typeof limit === 'object' ? limit[node.split('.')[0]] : limit
}

function verdict(measured, most, least) {
  if (most !== undefined && measured > most) return missed(measured / most)
  if (least !== undefined && measured < least) return missed(measured / least)
  return most === undefined && least === undefined ? '' : 'yes'
}

const missed = (factor) => `no: ${factor.toFixed(2)} times the limit`
