import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unwrapKey } from '../../src/crypto/key-wrap'
import { secretKey } from '../../src/crypto/secret-key'
import { parseEnvelope } from '../../src/envelope/format'
import { deriveRecordKey } from '../../src/envelope/record-key'
import { fileKeyStore } from '../../src/key-store/file'
import { deriveDataKey } from '../../src/keys/derive'
import { inAppKeyProvider } from '../../src/providers/in-app'
import { userProject } from '../built-package'

// Best effort: copies that V8 or OpenSSL made and freed may survive anywhere, and a clean run proves
// nothing about the next version of either. It does notice a cache that keeps a key, a key that
// became a string, and a Buffer that nobody zeroed.
const MAX_REGION = 2 ** 30

let folder: string
let child: ChildProcessWithoutNullStreams
let keys: Record<string, Buffer>
let secret: Buffer
/** Of some of the records that were sealed and opened: their DEKs, and what they were encrypted with. */
let ofRecords: Record<string, Buffer>

/** Reading the memory of a child needs Linux, and a system that lets a parent trace its child. */
function canReadMemory(): boolean {
  try {
    readSync(openSync('/proc/self/mem', 'r'), Buffer.alloc(0))
    return process.platform === 'linux'
  } catch {
    return false
  }
}

async function untilChildSays(moment: string): Promise<void> {
  const [text] = await once(child.stdout, 'data')
  expect(String(text).trim()).toBe(moment)
}

/** The keys of the file store, unwrapped here, outside of the process that is looked into. */
async function unwrappedKeys(): Promise<Record<string, Buffer>> {
  const provider = inAppKeyProvider({ name: 'main', secret })
  const { keys: records } = await fileKeyStore(join(folder, 'keys.json')).loadKeys('default')
  const found: Record<string, Buffer> = {}
  for (const { id, domain, purpose, version, wraps } of records) {
    const context = { use: 'kek', domain, purpose, id, version } as const
    const key = await provider.unwrapKey(wraps[0]!.wrapped, context)
    found[`${purpose} KEK`] = Buffer.from(key)
  }
  return found
}

/** Also adds the key that wraps DEKs, which leaves its KeyObject for each page of the native path. */
async function keysOfRecords(): Promise<Record<string, Buffer>> {
  const { keys: records } = await fileKeyStore(join(folder, 'keys.json')).loadKeys('default')
  const kek = secretKey(keys['data KEK'] as Buffer)
  const { dekWrapKey } = deriveDataKey(kek, records.find(({ purpose }) => purpose === 'data')!)
  keys['DEK wrap key'] = dekWrapKey.export()
  const found: Record<string, Buffer> = {}
  const pages: Buffer[][] = JSON.parse(readFileSync(join(folder, 'pages.json'), 'utf8'))
  for (const page of pages) {
    for (const i of [0, 1, 100, 190, 198, 199, page.length - 1]) {
      const dek = unwrapKey(dekWrapKey, parseEnvelope(Buffer.from(page[i]!)).wrappedDek)!
      found[`DEK ${i} of ${page.length}`] = dek
      const { encryptionKey } = deriveRecordKey(dek, 'default')
      found[`encryption key ${i} of ${page.length}`] = encryptionKey.export()
    }
  }
  return found
}

/** Which of the keys stand in the writable memory of the child. */
function keysInMemory(keys: Record<string, Buffer>): string[] {
  const memory = openSync(`/proc/${child.pid}/mem`, 'r')
  const found = new Set<string>()
  for (const line of readFileSync(`/proc/${child.pid}/maps`, 'utf8').trim().split('\n')) {
    const [, from, to, mode] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
    const size = Number.parseInt(to ?? '', 16) - Number.parseInt(from ?? '', 16)
    if (!mode?.startsWith('rw') || size > MAX_REGION) continue
    const bytes = Buffer.alloc(size)
    try {
      readSync(memory, bytes, 0, size, BigInt(`0x${from}`))
    } catch {
      // Some regions belong to the kernel or are not backed by memory.
    }
    for (const [name, key] of Object.entries(keys)) if (bytes.includes(key)) found.add(name)
  }
  return [...found].sort()
}

const suite = canReadMemory() ? describe : describe.skip
suite('memory of a process (skipped unless Linux lets a parent read /proc/PID/mem)', () => {
  beforeAll(async () => {
    const project = userProject('memory')
    folder = project.folder
    secret = randomBytes(32)
    writeFileSync(join(folder, 'secret'), secret)
    const script = project.copy('test/faults/memory-child.mjs')
    child = spawn(process.execPath, ['--expose-gc', script, folder])
    child.stderr.pipe(process.stderr)
    await untilChildSays('open')
    keys = { 'root key': secret, ...(await unwrappedKeys()) }
    ofRecords = await keysOfRecords()
  })

  afterAll(() => {
    child.kill()
  })

  it('shows the keys while the keyring is open: the search itself works', () => {
    expect(keysInMemory(keys)).toEqual(['DEK wrap key', 'data KEK', 'index KEK', 'root key'])
  })

  it('shows no key of a record that was sealed and opened, even then', () => {
    expect(Object.keys(ofRecords).length).toBeGreaterThan(10)
    expect(keysInMemory(ofRecords)).toEqual([])
  })

  it('shows none of them after the keyring was closed', async () => {
    child.stdin.write('go on\n')
    await untilChildSays('closed')
    expect(keysInMemory(keys)).toEqual([])
    expect(keysInMemory(ofRecords)).toEqual([])
  })

  it('shows none of them in a heap snapshot, in any spelling', () => {
    const snapshot = readFileSync(join(folder, 'closed.heapsnapshot'))
    expect(snapshot.length).toBeGreaterThan(1_000_000)
    for (const [name, key] of Object.entries(keys)) {
      const spellings = [
        key,
        ...(['hex', 'base64', 'base64url'] as const).map((s) => key.toString(s)),
      ]
      expect([name, spellings.some((text) => snapshot.includes(text))]).toEqual([name, false])
    }
  })
})
