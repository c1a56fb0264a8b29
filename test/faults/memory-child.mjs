// Uses keys, then lets go of everything; its parent looks into its memory at both times.
//
// Usage: node --expose-gc memory-child.mjs FOLDER
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { writeHeapSnapshot } from 'node:v8'
import { createFieldCipher, createKeyring, fileKeyStore, inAppKeyProvider } from 'mortise'

const [folder] = process.argv.slice(2)
const at = (name) => join(folder, name)

let keyring = openKeyring()
let cipher = createFieldCipher(keyring, { field: 'person.name', exact: true })
const envelopes = await cipher.sealMany(Array.from({ length: 200 }, (_, i) => `Ada ${i}`))
await cipher.openMany(envelopes)
await cipher.token('Ada')
await reached('open')

await keyring.close()
keyring = undefined
cipher = undefined
// The pool of random bytes, which holds keys not yet used, lives for a second.
await setTimeout(1500)
for (let i = 0; i < 5; i++) {
  globalThis.gc()
  await setTimeout(50)
}
writeHeapSnapshot(at('closed.heapsnapshot'))
await reached('closed')
process.exit(0)

/** The secret comes as bytes, which can be erased; a variable of the environment is a string. */
function openKeyring() {
  const secret = readFileSync(at('secret'))
  const providers = [inAppKeyProvider({ name: 'main', secret })]
  secret.fill(0)
  writeFileSync(at('secret'), '')
  return createKeyring({ providers, store: fileKeyStore(at('keys.json')) })
}

async function reached(moment) {
  process.stdout.write(`${moment}\n`)
  await new Promise((resolve) => process.stdin.once('data', resolve))
}
