// Values per second through the public API, beside what node:crypto alone costs, in one run.
//
// Usage: npm run bench -- sealing [--quick]
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { cpus } from 'node:os'
import {
  createFieldCipher,
  createKeyring,
  generateRootKey,
  inAppKeyProvider,
  memoryKeyStore,
} from 'mortise'

const rounds = process.argv.includes('--quick') ? 5 : 25
const VALUES = 2000

const provider = inAppKeyProvider({ name: 'bench', secret: generateRootKey() })
const keyring = createKeyring({ providers: [provider], store: memoryKeyStore() })
const cipher = createFieldCipher(keyring, { field: 'bench.value', type: 'string', exact: true })
const key = createSecretKey(randomBytes(32))
const aad = Buffer.alloc(32)

const contenders = [16, 64, 1024].flatMap((size) => {
  const values = Array.from({ length: VALUES }, () => randomBytes(size / 2).toString('hex'))
  let sealed
  let floor
  return [
    [`node:crypto GCM encrypt ${size} B`, () => (floor = values.map(encrypt))],
    [`mortise seal ${size} B`, async () => (sealed = await cipher.sealMany(values))],
    [`node:crypto GCM decrypt ${size} B`, () => floor.map(decrypt)],
    [`mortise open ${size} B`, () => cipher.openMany(sealed)],
  ]
})

/** Interleaved, so that a slow moment of the machine meets every contender. */
const times = new Map(contenders.map(([name]) => [name, []]))
for (let round = 0; round <= rounds; round++) {
  for (const [name, run] of contenders) {
    const start = process.hrtime.bigint()
    await run()
    // The first round warms up.
    if (round > 0) times.get(name).push(Number(process.hrtime.bigint() - start) / VALUES)
  }
}
await keyring.close()

console.log(
  `Node ${process.version}, ${cpus()[0]?.model}, ${new Date().toISOString().slice(0, 10)}`,
)
console.log(`Medians of ${rounds} rounds of ${VALUES} values; every value has its own DEK\n`)
console.log('| what | µs per value |\n|---|--:|')
for (const [name, all] of times) console.log(`| ${name} | ${(median(all) / 1000).toFixed(1)} |`)

function encrypt(value) {
  const iv = randomBytes(12)
  const gcm = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAAD(aad)
  return [iv, gcm.update(value, 'utf8'), gcm.final(), gcm.getAuthTag()]
}

function decrypt([iv, ciphertext, , tag]) {
  const gcm = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  gcm.setAAD(aad).setAuthTag(tag)
  return gcm.update(ciphertext, undefined, 'utf8') + gcm.final('utf8')
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
