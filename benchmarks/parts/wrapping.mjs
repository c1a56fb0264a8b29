// Who wraps the DEKs, mortise or the provider: writing and reading 1,000 records of one field.
import { createFieldCipher, createKeyring, memoryKeyStore } from '../../dist/index.mjs'
import { countCalls } from '../lib/count-calls.mjs'
import { interleave } from '../lib/interleave.mjs'
import { progress } from '../lib/progress.mjs'
import { spread } from '../lib/report.mjs'
import { summarize } from '../lib/statistics.mjs'
import { startProviders } from '../wrapping/providers.mjs'

const RECORDS = 1000
const values = Array.from({ length: RECORDS }, (_, i) => `person-${i}@example.com`)
const PHASES = ['write', 'cold', 'warm']

export async function run({ quick, rounds = quick ? 1 : 5 }) {
  const providers = await startProviders()
  try {
    const contenders = new Map(
      contendersOn(providers).map(([name, options, makeProvider]) => [
        name,
        () => {
          progress(`wrapping: ${name}`)
          return measure(options, makeProvider)
        },
      ]),
    )
    return report(await interleave(contenders, { rounds }), rounds, providers.hsm !== null)
  } finally {
    await providers.close()
  }
}

function contendersOn({ inApp, hsm, kms, slowKms }) {
  const provider = { wrapping: 'provider' }
  const many = { ...provider, deks: { concurrency: 64 } }
  return [
    ['local, any provider', { wrapping: 'local' }, inApp],
    ['provider, in-app', provider, inApp],
    ...(hsm === null ? [] : [['provider, SoftHSM', provider, hsm]]),
    ['provider, KMS emulator', provider, kms],
    ['provider, KMS emulator, 10 ms more', provider, slowKms],
    ['provider, KMS emulator, 10 ms more, 64 at a time', many, slowKms],
  ]
}

/** Writes and reads as two processes would: the reader begins without a key in memory. */
async function measure(options, makeProvider) {
  const store = memoryKeyStore()
  const counted = countCalls(makeProvider())
  const open = () => createKeyring({ ...options, providers: [counted.provider], store })
  const field = { field: 'bench.value' }
  const writer = open()
  await writer.ready()
  const write = await timed(counted, () => createFieldCipher(writer, field).sealMany(values))
  const reader = createFieldCipher(open(), field)
  const cold = await timed(counted, () => reader.openMany(write.result))
  const warm = await timed(counted, () => reader.openMany(write.result))
  await writer.close()
  if (warm.result.some((text, i) => text !== values[i])) throw new Error('another value was read')
  return { write, cold, warm }
}

async function timed(counted, work) {
  const before = counted.calls
  const start = performance.now()
  const result = await work()
  return { result, ms: performance.now() - start, calls: counted.calls - before }
}

function report(samples, rounds, hasHsm) {
  const summaries = new Map(
    [...samples].map(([name, all]) => [
      name,
      Object.fromEntries(
        PHASES.map((phase) => [phase, summarize(all.map((sample) => sample[phase].ms))]),
      ),
    ]),
  )
  const callsOf = (name) => PHASES.map((phase) => samples.get(name)[0][phase].calls).join(', ')
  const hsm = hasHsm ? '' : ' SoftHSM is not installed: run npm run hsm:setup.'
  return {
    tables: [
      {
        title: `who wraps the DEKs: ${RECORDS} records of one field, ms`,
        notes:
          `Medians of ${rounds} rounds, distance of the quartiles in brackets; 16 calls at a time ` +
          `unless said.${hsm}`,
        columns: [
          'wrapping, root key in',
          'write',
          'cold read',
          'warm read',
          'calls: write, cold, warm',
        ],
        rows: [...summaries].map(([name, phases]) => [
          name,
          ...PHASES.map((phase) => spread(phases[phase])),
          callsOf(name),
        ]),
      },
    ],
    measurements: Object.fromEntries(summaries),
  }
}
