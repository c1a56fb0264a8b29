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
// A small page and several large ones, which the native path works on in different threads.
const pages = []
for (const length of [200, 3000]) {
  pages.push(await cipher.sealMany(Array.from({ length }, (_, i) => `Ada ${i}`)))
}
writeFileSync(at('pages.json'), JSON.stringify(pages))
await collected()
// Last of all, so that little can take the place of what is left behind.
for (const page of pages) await cipher.openMany(page)
await cipher.token('Ada')
// In JavaScript the keys of records are KeyObjects, which go with the garbage collector.
if (!(await keyring.health()).native.active) await collected()
await reached('open')

await keyring.close()
keyring = undefined
cipher = undefined
// The pool of random bytes, which holds keys not yet used, lives for a second.
await setTimeout(1500)
await collected()
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

async function collected() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await setTimeout(50)
  }
}

async function reached(moment) {
  process.stdout.write(`${moment}\n`)
  await new Promise((resolve) => process.stdin.once('data', resolve))
}
