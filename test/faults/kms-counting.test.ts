import { KMSClient } from '@aws-sdk/client-kms'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createFieldCipher, type FieldCipher } from '../../src/field/field-cipher'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import type { KeyringOptions } from '../../src/keys/keyring-options'
import { awsKmsKeyProvider } from '../../src/providers/aws-kms'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { type KmsEmulator, startKmsEmulator } from '../../src/testing'

// How often the KMS is asked, seen from the KMS: over a real socket, with the real client.
const VERSIONS = 3
const ROWS = 10_000

let kms: KmsEmulator
let arn: string
let client: KMSClient
let store: KeyStore
let rows: (Buffer | null)[]
const opened: Keyring[] = []

/** A process of its own, as far as keys are concerned. */
function coldProcess(options: Partial<KeyringOptions> = {}): {
  keyring: Keyring
  cipher: FieldCipher<string>
} {
  const provider = awsKmsKeyProvider({ keyId: arn, client })
  const keyring = createKeyring({ providers: [provider], store, ...options })
  opened.push(keyring)
  return { keyring, cipher: createFieldCipher(keyring, { field: 'person.name' }) }
}

function callsOf(operation: string): number {
  return kms.calls.filter((call) => call.operation === operation).length
}

beforeAll(async () => {
  kms = await startKmsEmulator()
  arn = kms.createKey().arn
  client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
  store = memoryKeyStore()
  const { keyring, cipher } = coldProcess()
  await keyring.ready()
  rows = []
  for (let version = 0; version < VERSIONS; version++) {
    if (version > 0) await rotateKek(keyring, { purpose: 'data' })
    const count = Math.ceil((ROWS * (version + 1)) / VERSIONS) - rows.length
    rows.push(...(await cipher.sealMany(Array.from({ length: count }, (_, i) => `Ada ${i}`))))
  }
})

afterEach(async () => {
  kms.clearFaults()
  await Promise.all(opened.splice(0).map((keyring) => keyring.close()))
})

afterAll(async () => {
  client.destroy()
  await kms.close()
})

describe('calls of AWS KMS', () => {
  it('are as many as there are KEK versions, for 10,000 rows read cold; warm, none', async () => {
    const { cipher } = coldProcess()
    kms.clearCalls()
    expect(rows).toHaveLength(ROWS)
    expect((await cipher.openMany(rows))[0]).toBe('Ada 0')
    expect([kms.calls.length, callsOf('Decrypt')]).toEqual([VERSIONS, VERSIONS])
    await cipher.openMany(rows)
    expect(kms.calls).toHaveLength(VERSIONS)
  })

  it('are one for each KEK, for 3,000 concurrent cold reads', async () => {
    const { cipher } = coldProcess()
    kms.clearCalls()
    kms.inject({ effect: { latencyMs: 50 } })
    const some = Array.from({ length: 3000 }, (_, i) => rows[(i * 7) % ROWS]!)
    await Promise.all(some.map((row) => cipher.open(row)))
    expect([kms.calls.length, callsOf('Decrypt')]).toEqual([VERSIONS, VERSIONS])
  })

  it('are one for each live KEK at the start', async () => {
    const { keyring } = coldProcess()
    kms.clearCalls()
    await keyring.ready()
    const live = await keyring.keys()
    expect(live).toHaveLength(VERSIONS + 1)
    expect([kms.calls.length, callsOf('Decrypt')]).toEqual([live.length, live.length])
  })

  it('name the key, and carry nothing but the six pairs of the context', async () => {
    const { cipher } = coldProcess()
    kms.clearCalls()
    await cipher.openMany(rows)
    for (const { keyArn, encryptionContext } of kms.calls) {
      expect(keyArn).toBe(arn)
      expect(encryptionContext).toEqual({
        mortise: '1',
        use: 'kek',
        domain: 'default',
        purpose: 'data',
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        version: expect.stringMatching(/^[1-3]$/),
      })
    }
  })

  it('may fail for as long as the hard TTL without any reader noticing', async () => {
    const cache = { softTtlMs: 20, hardTtlMs: 60_000 }
    const { cipher } = coldProcess({ cache })
    await cipher.openMany(rows)
    for (const effect of ['throttled', 'internal', 'unavailable', 'reset', 'hang'] as const) {
      const repair = kms.inject({ effect })
      const until = Date.now() + 150
      while (Date.now() < until) {
        expect((await cipher.openMany(rows.slice(0, 50)))[1]).toBe('Ada 1')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      repair()
    }
    expect(kms.calls.some(({ outcome }) => outcome !== 'ok')).toBe(true)
  })
})
