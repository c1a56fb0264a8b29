import { rmSync } from 'node:fs'
import { KMSClient } from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awsKmsKeyProvider } from '../../src/aws-kms'
import { createFieldCipher } from '../../src/field/field-cipher'
import { postgresKeyStore } from '../../src/key-store/postgres-pool'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import { pkcs11KeyProvider } from '../../src/providers/pkcs11'
import type { KeyProvider } from '../../src/providers/provider'
import { addProvider } from '../../src/rotation/add-provider'
import { dropProvider } from '../../src/rotation/drop-provider'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rotateRoot } from '../../src/rotation/rotate-root'
import { type KmsEmulator, startKmsEmulator } from '../../src/testing'
import { SKIPPED, type SoftHsm, setUpSoftHsm } from '../providers/pkcs11/softhsm'
import { open, seal, useTables } from './tables'

const found = setUpSoftHsm()
const hsm = found as SoftHsm
const tables = useTables()
const secret = generateRootKey()
let emulator: KmsEmulator
let client: KMSClient

beforeAll(async () => {
  emulator = await startKmsEmulator()
  client = new KMSClient(emulator.clientConfig)
})

afterAll(async () => {
  client?.destroy()
  await emulator?.close()
  if (found !== null) rmSync(hsm.folder, { recursive: true, force: true })
})

/** A store of its own for each keyring, as processes have them: closing one closes its store. */
const openStore = (): KeyStore => postgresKeyStore(tables.pool)

const inApp = (name: string): KeyProvider => inAppKeyProvider({ name, secret })
const softHsm = (): KeyProvider => {
  const { module, token, key, pin } = hsm
  return pkcs11KeyProvider({ module, token, key, pin })
}
const kms = (keyId: string): KeyProvider => awsKmsKeyProvider({ keyId, client })

async function withKeyring<T>(
  providers: readonly KeyProvider[],
  work: (keyring: Keyring) => Promise<T>,
): Promise<T> {
  const keyring = createKeyring({ providers, store: openStore() })
  try {
    return await work(keyring)
  } finally {
    await keyring.close()
  }
}

/** Everything that the data tables hold, with the transaction that wrote each row. */
async function dataRows(): Promise<unknown[]> {
  return (await tables.pool.query('SELECT xmin::text, ctid::text, * FROM person ORDER BY id')).rows
}

async function expectReadable(keyring: Keyring, rows: number): Promise<void> {
  const { rows: people } = await tables.pool.query('SELECT * FROM person ORDER BY id')
  expect(people).toHaveLength(rows)
  for (const { id, email, token } of people) {
    expect(await open(keyring, 'email', email)).toBe(`mail ${id}`)
    const cipher = createFieldCipher(keyring, { field: 'person.email', exact: true })
    expect(await cipher.token(`mail ${id}`)).toEqual(token)
  }
}

const reason = found === null ? ` (${SKIPPED})` : ''

describe.skipIf(found === null)(
  `keys move from in-app to AWS KMS to an HSM and back, on real PostgreSQL${reason}`,
  () => {
    it('without one write to the data', async () => {
      await openStore().createTables?.()
      await tables.pool.query(
        'CREATE TABLE person (id integer PRIMARY KEY, email bytea, token bytea)',
      )
      await withKeyring([inApp('main')], async (keyring) => {
        const cipher = createFieldCipher(keyring, { field: 'person.email', exact: true })
        for (let id = 0; id < 20; id++) {
          if (id === 10) await rotateKek(keyring, { purpose: 'data' })
          const [email] = await seal(keyring, { email: `mail ${id}` })
          const token = await cipher.token(`mail ${id}`)
          await tables.pool.query('INSERT INTO person VALUES ($1, $2, $3)', [id, email, token])
        }
      })
      const before = await dataRows()
      const { keyId } = emulator.createKey({ alias: 'alias/patients' })
      const stations: (() => KeyProvider)[] = [
        () => inApp('main'),
        () => kms('alias/patients'),
        softHsm,
        () => inApp('main'),
      ]
      for (const [i, next] of stations.slice(1).entries()) {
        const previous = stations[i] as () => KeyProvider
        await withKeyring([previous()], async (keyring) => {
          const { added, providerUri } = await addProvider(keyring, { provider: next() })
          expect(added).toHaveLength(3)
          expect(providerUri).not.toContain('alias')
          const uris = (await keyring.keys())[0]?.providers ?? []
          const from = uris.find((uri) => uri !== providerUri) as string
          expect((await dropProvider(keyring, { uri: from })).dropped).toHaveLength(3)
        })
        await withKeyring([next()], async (keyring) => {
          expect((await keyring.keys()).every(({ providers }) => providers.length === 1)).toBe(true)
          await expectReadable(keyring, 20)
        })
        expect(await dataRows()).toEqual(before)
      }
      expect(emulator.calls.some(({ keyArn }) => keyArn?.endsWith(keyId))).toBe(true)
    })

    it('between two KMS keys with ReEncrypt', async () => {
      const [first, second] = ['alias/one', 'alias/two'].map((alias) => {
        emulator.createKey({ alias })
        return kms(alias)
      }) as [KeyProvider, KeyProvider]
      const store = openStore()
      const keyring = createKeyring({ providers: [inApp('main'), first, second], store })
      await addProvider(keyring, { provider: first })
      const before = await dataRows()
      emulator.clearCalls()
      const { rewrapped } = await rotateRoot(keyring, { from: first.uri, to: second.uri })
      expect(rewrapped).toHaveLength(3)
      const operations = emulator.calls.map(({ operation }) => operation)
      expect(operations.filter((operation) => operation === 'ReEncrypt')).toHaveLength(3)
      expect(operations).not.toContain('Encrypt')
      await dropProvider(keyring, { uri: first.uri })
      await dropProvider(keyring, { uri: 'in-app:main' })
      await keyring.close()
      await withKeyring([kms('alias/two')], (other) => expectReadable(other, 20))
      expect(await dataRows()).toEqual(before)
    })
  },
)
