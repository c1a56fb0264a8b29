// What one value costs: sealing, opening and a token, for one field and for a record of five, beside
// node:crypto alone and the libraries that do something alike.
import { installedVersion } from '../lib/conditions.mjs'
import { interleave } from '../lib/interleave.mjs'
import { openLane } from '../lib/lane.mjs'
import { mortisePaths } from '../lib/native.mjs'
import { progress } from '../lib/progress.mjs'
import { ratio, spread } from '../lib/report.mjs'
import { summarize } from '../lib/statistics.mjs'
import { BATCHES, SIZES } from '../value/shapes.mjs'

const FLOOR = 'node:crypto'
const PEER = 'typeorm-encrypted'
const LANE = new URL('../value/lane.mjs', import.meta.url).href

export async function run({ quick, rounds = quick ? 5 : 25 }) {
  const { lanes, missing } = await openLanes({ records: quick ? 200 : 1000 })
  try {
    const samples = await measureAll(lanes, rounds)
    const overhead = await verifyAll(lanes)
    return report(lanes, samples, overhead, { rounds, missing })
  } finally {
    for (const { lane } of lanes.values()) await lane.close()
  }
}

const contenders = () => [
  ...mortisePaths().flatMap(({ path, env }) => [
    { name: `mortise, ${path}`, contender: 'mortise', env },
    { name: `createFieldCipher, ${path}`, contender: 'mortise', variant: { cipher: true }, env },
  ]),
  { name: FLOOR, contender: 'node-crypto' },
  { name: PEER, contender: 'typeorm-encrypted', package: 'typeorm-encrypted' },
  { name: '@47ng/cloak', contender: 'cloak', package: '@47ng/cloak' },
  { name: 'ciphersweet-js', contender: 'ciphersweet', package: 'ciphersweet-js' },
  ...['', ', cached'].map((cached) => ({
    name: `@aws-crypto/client-node${cached}`,
    contender: 'aws-encryption-sdk',
    variant: { cached: cached !== '' },
    package: '@aws-crypto/client-node',
  })),
  { name: 'sodium-native', contender: 'sodium-native', package: 'sodium-native' },
]

/** A contender that is not installed is left out, and the report says so. */
async function openLanes(options) {
  const lanes = new Map()
  const missing = []
  for (const { name, env, package: packageName, ...contender } of contenders()) {
    const version = packageName ? installedVersion(packageName) : null
    if (packageName && version === null) missing.push(packageName)
    else {
      const label = version === null ? name : name.replace(packageName, `$& ${version}`)
      lanes.set(name, { label, lane: await openLane(LANE, { ...contender, ...options }, env) })
    }
  }
  return { lanes, missing: [...new Set(missing)] }
}

/** @returns by `operation shape`, by contender: summaries of microseconds, `wall` and `processor` */
async function measureAll(lanes, rounds) {
  const summaries = new Map()
  for (const [operation, shapes] of [
    ['seal', [...SIZES, ...BATCHES]],
    ['open', [...SIZES, ...BATCHES]],
    ['token', SIZES],
  ]) {
    for (const shape of shapes) {
      progress(`value: ${operation} ${shape}`)
      summaries.set(`${operation} ${shape}`, await measureOne(lanes, { operation, shape }, rounds))
    }
  }
  return summaries
}

async function measureOne(lanes, what, rounds) {
  const able = new Map()
  for (const [name, { lane }] of lanes) {
    if (await lane.call('knows', what)) able.set(name, () => lane.call('measure', what))
  }
  const samples = await interleave(able, { rounds, warmUp: 3 })
  return new Map(
    [...samples].map(([name, all]) => [
      name,
      {
        wall: summarize(all.map(({ wall }) => wall)),
        processor: summarize(all.map(({ processor }) => processor)),
      },
    ]),
  )
}

/** @returns by shape: bytes of overhead by contender */
async function verifyAll(lanes) {
  const overhead = new Map()
  for (const shape of [...SIZES, ...BATCHES]) {
    const bytes = new Map()
    for (const [name, { lane }] of lanes) {
      if (await lane.call('knows', { operation: 'open', shape })) {
        bytes.set(name, await lane.call('verify', { shape }))
      }
    }
    overhead.set(shape, bytes)
  }
  return overhead
}

function report(lanes, summaries, overhead, { rounds, missing }) {
  const labels = new Map([...lanes].map(([name, { label }]) => [name, label]))
  const notes = [
    `Microseconds of wall time, medians of ${rounds} rounds with the distance of the quartiles in brackets; ` +
      'the last two columns are processor time of all threads.',
    missing.length > 0 ? `Not installed, and so not measured: ${missing.join(', ')}.` : '',
  ]
  const inNotes = (more) => [...notes, more].filter(Boolean).join(' ')
  const tables = [
    ...['seal', 'open', 'token'].map((operation) => ({
      title: `${operation} one field, µs`,
      notes: inNotes(''),
      ...sizesTable(labels, summaries, operation),
    })),
    ...['seal', 'open'].map((operation) => ({
      title: `${operation} a record of five fields of 32 B, µs for the record`,
      notes: inNotes(
        'Others than mortise loop over fields and records; asynchronous ones begin those of a batch at once.',
      ),
      ...recordsTable(labels, summaries, operation),
    })),
    overheadTable(labels, overhead),
  ]
  return {
    tables,
    measurements: Object.fromEntries(
      [...summaries].map(([what, byName]) => [what, Object.fromEntries(byName)]),
    ),
    measured: goalsOf(summaries, overhead),
  }
}

function sizesTable(labels, summaries, operation) {
  return timesTable(labels, SIZES, '64 B', (size) => summaries.get(`${operation} ${size}`))
}

function recordsTable(labels, summaries, operation) {
  const { columns, ...table } = timesTable(labels, BATCHES, BATCHES[1], (batch) =>
    summaries.get(`${operation} ${batch}`),
  )
  return { ...table, columns: columns.map((column) => column.replace('record, ', '')) }
}

/** @param compared - the shape whose ratios are shown */
function timesTable(labels, shapes, compared, of) {
  const others = [FLOOR, PEER]
  const times = of(compared)
  return {
    columns: [
      ...['', ...shapes],
      ...others.map((other) => `${compared} / ${other}`),
      ...[`${compared}, processor`, `/ ${PEER}`],
    ],
    rows: [...labels]
      .filter(([name]) => times.has(name))
      .map(([name, label]) => {
        const { wall, processor } = times.get(name)
        return [
          label,
          ...shapes.map((shape) => spread(of(shape).get(name).wall)),
          ...others.map((other) => ratio(wall, times.get(other)?.wall)),
          ...[spread(processor), ratio(processor, times.get(PEER)?.processor)],
        ]
      }),
  }
}

function overheadTable(labels, overhead) {
  const shapes = [...SIZES, BATCHES[1]]
  return {
    title: 'Bytes stored beyond those of the texts',
    notes:
      'As the contender gives them: text where it gives text, bytes where it gives bytes. mortise: 98 ' +
      'bytes and the byte of the type, for each field.',
    columns: ['', ...SIZES, 'record of 5 x 32 B'],
    rows: [...labels].map(([name, label]) => [
      label,
      ...shapes.map((shape) => overhead.get(shape).get(name) ?? ''),
    ]),
  }
}

function goalsOf(summaries, overhead) {
  const toPeer = (what, path) => {
    const by = summaries.get(what)
    const [one, other] = [by.get(`mortise, ${path}`), by.get(PEER)]
    return one && other ? one.wall.median / other.wall.median : undefined
  }
  const record = BATCHES[1]
  const ofType = 1
  return {
    'open 64 B, native / typeorm-encrypted': toPeer('open 64 B', 'native'),
    'open record, JavaScript / typeorm-encrypted': toPeer(`open ${record}`, 'JavaScript'),
    'open record, native / typeorm-encrypted': toPeer(`open ${record}`, 'native'),
    'seal record, JavaScript / typeorm-encrypted': toPeer(`seal ${record}`, 'JavaScript'),
    'seal record, native / typeorm-encrypted': toPeer(`seal ${record}`, 'native'),
    'overhead of a 16-byte field, beside its type byte':
      overhead.get('16 B').get('mortise, JavaScript') - ofType,
  }
}
