import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createFieldCipher } from '../../src/field/field-cipher'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Keyring } from '../../src/keys/keyring'
import { keyringFromEnv } from '../../src/keys/keyring-from-env'
import type { KeyringOptions } from '../../src/keys/keyring-options'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'

const secret = generateRootKey()
const other = generateRootKey()
const store = memoryKeyStore()
const opened: Keyring[] = []
const HSM = 'pkcs11:token=mortise;object=kek'

function fromEnv(
  environment: Record<string, string | undefined>,
  overrides: Partial<KeyringOptions> = { store },
): Keyring {
  const keyring = keyringFromEnv(environment, overrides)
  opened.push(keyring)
  return keyring
}

function uris(keyring: Keyring): unknown {
  return JSON.parse(JSON.stringify(keyring)).providers
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((keyring) => keyring.close()))
})

describe('keyringFromEnv', () => {
  it('makes a keyring that seals and opens', async () => {
    const keyring = fromEnv({ MORTISE_KEY_PROVIDERS: 'in-app:main', MORTISE_ROOT_KEY: secret })
    const cipher = createFieldCipher(keyring, { field: 'person.name' })
    expect(await cipher.open(await cipher.seal('Ada'))).toBe('Ada')
  })

  it('reads process.env unless another environment is given', () => {
    expect(() => keyringFromEnv()).toThrow(/MORTISE_KEY_PROVIDERS must list the key providers/)
  })

  it('keeps the order of the providers, each with its own secret', () => {
    const keyring = fromEnv({
      MORTISE_KEY_PROVIDERS: ' in-app:new.2\n aws-kms:alias/patients\tin-app:old ',
      MORTISE_ROOT_KEY_NEW_2: secret,
      MORTISE_ROOT_KEY_OLD: other,
    })
    expect(uris(keyring)).toEqual(['in-app:new.2', 'aws-kms:alias/patients', 'in-app:old'])
  })

  it('takes domain, wrapping and times', () => {
    const environment = {
      MORTISE_KEY_PROVIDERS: 'in-app:main',
      MORTISE_ROOT_KEY: secret,
      MORTISE_DOMAIN: 'clinic',
      MORTISE_WRAPPING: 'local',
      MORTISE_EPOCH_POLL_MS: '0',
      MORTISE_SOFT_TTL_MS: '1000',
      MORTISE_HARD_TTL_MS: '2000',
    }
    expect(fromEnv(environment).domain).toBe('clinic')
    const shorter = { ...environment, MORTISE_HARD_TTL_MS: '500' }
    expect(() => fromEnv(shorter)).toThrow(/cache\.softTtlMs/)
  })

  it('keeps keys in a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mortise-env-'))
    const environment = {
      MORTISE_KEY_PROVIDERS: 'in-app:main',
      MORTISE_ROOT_KEY: secret,
      MORTISE_KEY_STORE: `file:${join(folder, 'keys.json')}`,
    }
    const envelope = await createFieldCipher(fromEnv(environment, {}), { field: 'f' }).seal('Ada')
    const cipher = createFieldCipher(fromEnv(environment, {}), { field: 'f' })
    expect(await cipher.open(envelope)).toBe('Ada')
    rmSync(folder, { recursive: true })
  })

  it('keeps keys in PostgreSQL, in a pool that it closes', async () => {
    const url = new URL(inject('databaseUrl'))
    const keyring = fromEnv(
      {
        MORTISE_KEY_PROVIDERS: 'in-app:main',
        MORTISE_ROOT_KEY: secret,
        MORTISE_KEY_STORE: Object.assign(url, { pathname: '/no_such_database' }).href,
      },
      {},
    )
    const refusal = expect.objectContaining({ code: 'ERR_KEY_STORE' })
    await expect(keyring.ready()).rejects.toEqual(refusal)
    await keyring.close()
    await expect(keyring.ready()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('lets the code win, and then asks for less', () => {
    const providers = [inAppKeyProvider({ name: 'code', secret })]
    const environment = {
      MORTISE_KEY_PROVIDERS: 'nonsense',
      MORTISE_ROOT_KEY: 'x',
      MORTISE_DOMAIN: '',
      MORTISE_KEY_STORE: 'nowhere',
    }
    const keyring = fromEnv(environment, { providers, domain: 'code', store })
    expect([keyring.domain, uris(keyring)]).toEqual(['code', ['in-app:code']])
  })

  it('leaves settings of other parts of mortise, and of others, alone', () => {
    const environment = { MORTISE_KEY_PROVIDERS: 'in-app:main', MORTISE_ROOT_KEY: secret }
    expect(() =>
      fromEnv({ ...environment, MORTISE_NATIVE: '0', PATH: '', HOME: '/' }),
    ).not.toThrow()
  })
})

describe('a setting that cannot be', () => {
  const one = { MORTISE_KEY_PROVIDERS: 'in-app:main' }
  const hsm = { MORTISE_KEY_PROVIDERS: HSM }
  it.each<[string, Record<string, string>, string, RegExp]>([
    ['no providers', {}, 'MORTISE_KEY_PROVIDERS', /must list/],
    ['a blank list', { MORTISE_KEY_PROVIDERS: ' \n' }, 'MORTISE_KEY_PROVIDERS', /must list/],
    ['another scheme', { MORTISE_KEY_PROVIDERS: 'vault:x' }, 'MORTISE_KEY_PROVIDERS', /'vault:'/],
    ['no scheme', { MORTISE_KEY_PROVIDERS: secret }, 'MORTISE_KEY_PROVIDERS', /without a scheme/],
    ['a missing secret', one, 'MORTISE_ROOT_KEY_MAIN', /is not set/],
    ['an empty secret', { ...one, MORTISE_ROOT_KEY_MAIN: '' }, 'MORTISE_ROOT_KEY_MAIN', /is empty/],
    [
      'two secrets for one provider',
      { ...one, MORTISE_ROOT_KEY_MAIN: secret, MORTISE_ROOT_KEY: other },
      'MORTISE_ROOT_KEY',
      /ambiguous/,
    ],
    [
      'one secret for two providers',
      { MORTISE_KEY_PROVIDERS: 'in-app:a in-app:b', MORTISE_ROOT_KEY: secret },
      'MORTISE_ROOT_KEY_A',
      /is not set/,
    ],
    [
      'two names with one variable',
      { MORTISE_KEY_PROVIDERS: 'in-app:a-b in-app:a.b', MORTISE_ROOT_KEY_A_B: secret },
      'MORTISE_ROOT_KEY_A_B',
      /would serve both in-app:a-b and in-app:a\.b/,
    ],
    [
      'a secret of no provider',
      { ...one, MORTISE_ROOT_KEY_MAIN: secret, MORTISE_ROOT_KEY_OLD: other },
      'MORTISE_ROOT_KEY_OLD',
      /belongs to no in-app provider/,
    ],
    [
      'a misspelt setting',
      { ...one, MORTISE_ROOT_KEY: secret, MORTISE_DOMIAN: 'x' },
      'MORTISE_DOMIAN',
      /is no setting/,
    ],
    [
      'a PIN without an HSM',
      { ...one, MORTISE_ROOT_KEY: secret, MORTISE_PKCS11_PIN: '1234' },
      'MORTISE_PKCS11_PIN',
      /not needed/,
    ],
    ['an HSM without a module', hsm, 'MORTISE_PKCS11_MODULE', /no module-path/],
    [
      'an HSM without a PIN',
      { ...hsm, MORTISE_PKCS11_MODULE: '/m.so' },
      'MORTISE_PKCS11_PIN',
      /no pin-source/,
    ],
    [
      'two sources of a PIN',
      {
        MORTISE_KEY_PROVIDERS: `${HSM}?module-path=/m.so&pin-source=file:/pin`,
        MORTISE_PKCS11_PIN: '1234',
      },
      'MORTISE_PKCS11_PIN',
      /not needed/,
    ],
    [
      'another wrapping',
      { ...one, MORTISE_ROOT_KEY: secret, MORTISE_WRAPPING: 'none' },
      'MORTISE_WRAPPING',
      /'local' or 'provider'/,
    ],
    [
      'a secret of another length',
      { ...one, MORTISE_ROOT_KEY: secret.slice(1) },
      'MORTISE_ROOT_KEY',
      /must be 32 bytes/,
    ],
    [
      'a secret that is not random',
      { ...one, MORTISE_ROOT_KEY_MAIN: 'A'.repeat(43) },
      'MORTISE_ROOT_KEY_MAIN',
      /is not random/,
    ],
    [
      'a domain with a space',
      { ...one, MORTISE_ROOT_KEY: secret, MORTISE_DOMAIN: 'a b' },
      'MORTISE_DOMAIN',
      /printable ASCII/,
    ],
    [
      'a KMS key without a name',
      { MORTISE_KEY_PROVIDERS: 'aws-kms:patients' },
      'MORTISE_KEY_PROVIDERS',
      /alias\//,
    ],
    [
      'an HSM key without a label',
      { MORTISE_KEY_PROVIDERS: 'pkcs11:token=mortise' },
      'MORTISE_KEY_PROVIDERS',
      /must name the key/,
    ],
    [
      'a time with a unit',
      { ...one, MORTISE_ROOT_KEY: secret, MORTISE_EPOCH_POLL_MS: '5s' },
      'MORTISE_EPOCH_POLL_MS',
      /whole number/,
    ],
  ])('%s', (_, environment, variable, problem) => {
    const refusal = expect.objectContaining({ code: 'ERR_CONFIG' })
    expect(() => fromEnv(environment)).toThrow(refusal)
    expect(() => fromEnv(environment)).toThrow(problem)
    expect(() => fromEnv(environment)).toThrow(` ${variable} `)
  })

  it('another key store', () => {
    const environment = { ...one, MORTISE_ROOT_KEY: secret, MORTISE_KEY_STORE: 'redis://x' }
    expect(() => fromEnv(environment, {})).toThrow(/MORTISE_KEY_STORE must begin with/)
  })

  it('never shows a value that may be a secret', () => {
    const values = { ...one, MORTISE_ROOT_KEY: `${secret}x`, MORTISE_PKCS11_PIN: '98765' }
    for (const environment of [values, { MORTISE_KEY_PROVIDERS: secret }]) {
      try {
        fromEnv(environment)
        expect.unreachable()
      } catch (error) {
        expect(String(error) + JSON.stringify(error)).not.toContain(secret)
        expect(String(error)).not.toContain('98765')
      }
    }
  })
})
