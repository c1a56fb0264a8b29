import { rmSync } from 'node:fs'
import { afterAll, describe, it } from 'vitest'
import { type Pkcs11KeyOptions, pkcs11KeyProvider } from '../../src/providers/pkcs11'
import type { KeyProvider } from '../../src/providers/provider'
import { providerConformance } from '../../src/testing/provider-conformance'
import { administrate, ck, SKIPPED, type SoftHsm, setUpSoftHsm } from './pkcs11/softhsm'

const ROOT = Buffer.alloc(32, 0x5a)
const OTHER_ROOT = Buffer.alloc(32, 0x33)
const found = setUpSoftHsm()
const hsm = found as SoftHsm
const made: KeyProvider[] = []

function create(key: string, change: Partial<Pkcs11KeyOptions> = {}): KeyProvider {
  const { module, token, pin } = hsm
  const provider = pkcs11KeyProvider({ module, token, key, pin, ...change })
  made.push(provider)
  return provider
}

if (found !== null) {
  const wrapOnly = { [ck.CKA_ENCRYPT]: false, [ck.CKA_DECRYPT]: false }
  const gcmOnly = { [ck.CKA_WRAP]: false, [ck.CKA_UNWRAP]: false }
  administrate(found, ({ createKey }) => {
    createKey('wrap', { ...wrapOnly, [ck.CKA_VALUE]: ROOT })
    createKey('other wrap', { ...wrapOnly, [ck.CKA_VALUE]: OTHER_ROOT })
    createKey('gcm', { ...gcmOnly, [ck.CKA_VALUE]: ROOT })
    createKey('other gcm', { ...gcmOnly, [ck.CKA_VALUE]: OTHER_ROOT })
  })
}

const reason = found === null ? ` (${SKIPPED})` : ''

describe.skipIf(found === null)(
  `pkcs11KeyProvider keeps the contract of providers${reason}`,
  () => {
    afterAll(async () => {
      for (const provider of made) await provider.close?.()
      rmSync(hsm.folder, { recursive: true, force: true })
    })

    describe.each([
      ['AES key wrap', 'wrap'],
      ['AES-GCM', 'gcm'],
    ])('by %s', (_mechanism, key) => {
      const target = {
        create: () => create(key),
        createOther: () => create(`other ${key}`),
        createUnavailable: () => create(key, { token: 'away' }),
        createHanging: () => create(key, { pin: () => new Promise<string>(() => {}) }),
        secrets: found === null ? [] : [hsm.pin, ROOT],
      }
      for (const { name, run } of providerConformance(target)) it(name, run)
    })
  },
)
