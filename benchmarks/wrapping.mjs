// Local and provider-wrapped DEKs: milliseconds to write and to read 1,000 records of one field.
//
// Usage: npm run bench -- wrapping [--quick]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { KMSClient } from '@aws-sdk/client-kms'
import {
  createFieldCipher,
  createKeyring,
  generateRootKey,
  inAppKeyProvider,
  memoryKeyStore,
} from 'mortise'
import { awsKmsKeyProvider } from 'mortise/aws-kms'
import { pkcs11KeyProvider } from 'mortise/pkcs11'
import { countCalls } from './count-calls.mjs'

const RECORDS = 1000
const rounds = process.argv.includes('--quick') ? 1 : 5
const values = Array.from({ length: RECORDS }, (_, i) => `person-${i}@example.com`)

const secret = generateRootKey()
const inApp = () => inAppKeyProvider({ name: 'bench', secret })
const closers = []
const hsm = setUpHsm()
const kms = await startKms(0)
const slowKms = await startKms(10)

const contenders = [
  ['any provider', { wrapping: 'local' }, inApp],
  ['in-app', { wrapping: 'provider' }, inApp],
  ...(hsm === null ? [] : [['SoftHSM', { wrapping: 'provider' }, hsm]]),
  ['KMS emulator', { wrapping: 'provider' }, kms],
  ['KMS emulator, 10 ms more', { wrapping: 'provider' }, slowKms],
  [
    'KMS emulator, 10 ms more, 64 at a time',
    { wrapping: 'provider', deks: { concurrency: 64 } },
    slowKms,
  ],
]

console.log(
  `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${new Date().toISOString().slice(0, 10)}`,
)
console.log(
  `Medians of ${rounds} rounds of ${RECORDS} records, one field each; 16 calls at a time unless said`,
)
if (hsm === null) console.log('SoftHSM is not installed: run npm run hsm:setup')
console.log(
  '\n| wrapping | root key in | write ms | cold read ms | warm read ms | calls: write, cold, warm |\n|---|---|--:|--:|--:|---|',
)
for (const [where, options, makeProvider] of contenders) {
  const times = { write: [], cold: [], warm: [] }
  let calls
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const measured = await measure(options, makeProvider)
    calls = measured.calls
    if (round === 0) continue
    for (const phase of Object.keys(times)) times[phase].push(measured.times[phase])
  }
  const shown = Object.values(times).map((all) => median(all).toFixed(1))
  console.log(`| ${[options.wrapping, where, ...shown, calls.join(', ')].join(' | ')} |`)
}
for (const close of closers) await close()

/** Writes and reads as two processes would: the reader begins without a key in memory. */
async function measure(options, makeProvider) {
  const store = memoryKeyStore()
  const counted = countCalls(makeProvider())
  const open = () => createKeyring({ ...options, providers: [counted.provider], store })
  const field = { field: 'bench.value' }
  const writer = open()
  await writer.ready()
  const sealed = await timed(counted, () => createFieldCipher(writer, field).sealMany(values))
  const reader = createFieldCipher(open(), field)
  const cold = await timed(counted, () => reader.openMany(sealed.result))
  const warm = await timed(counted, () => reader.openMany(sealed.result))
  await writer.close()
  return {
    times: { write: sealed.ms, cold: cold.ms, warm: warm.ms },
    calls: [sealed.calls, cold.calls, warm.calls],
  }
}

async function timed(counted, work) {
  const before = counted.calls
  const start = performance.now()
  const result = await work()
  return { result, ms: performance.now() - start, calls: counted.calls - before }
}

async function startKms(latencyMs) {
  const worker = new Worker(new URL('./kms-worker.mjs', import.meta.url), {
    workerData: { latencyMs },
  })
  const { clientConfig, keyId } = await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  const client = new KMSClient(clientConfig)
  closers.push(() => {
    client.destroy()
    return worker.terminate()
  })
  return () => awsKmsKeyProvider({ keyId, client })
}

/** @returns null where SoftHSM is not installed */
function setUpHsm() {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-bench-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const script = resolve(import.meta.dirname, '../scripts/hsm-setup.mjs')
  try {
    const args = [script, '--json', '--no-install', '--folder', folder]
    const { module, conf, pinFile } = JSON.parse(
      execFileSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    )
    process.env.SOFTHSM2_CONF = conf
    const pin = readFileSync(pinFile, 'utf8').trim()
    return () => pkcs11KeyProvider({ module, token: 'mortise-dev', key: 'mortise-root', pin })
  } catch {
    return null
  }
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
