import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createKeyring,
  generateRootKey,
  inAppKeyProvider,
  MortiseError,
  memoryKeyStore,
} from '../../../src'
import { examine } from '../../../src/cli/doctor/doctor'
import type { KeyProvider } from '../../../src/providers/provider'
import { addProvider, disableKey, enableKey, rotateKek } from '../../../src/rotation'
import { type Clinic, OPTIONS, openClinic, Patient, person } from './clinic'

const provider = (name: string) => inAppKeyProvider({ name, secret: generateRootKey() })
let clinic: Clinic
let failing: Error | null = null

/** A provider that can be made to fail. */
function fragile(inner: KeyProvider): KeyProvider {
  return {
    uri: inner.uri,
    wrapKey: async (...parameters) => {
      if (failing) throw failing
      return inner.wrapKey(...parameters)
    },
    unwrapKey: (...parameters) => inner.unwrapKey(...parameters),
  }
}

beforeAll(async () => {
  const poll = { cache: { epochPollMs: 0 } }
  clinic = await openClinic({ providers: [fragile(provider('main'))], ...poll })
  await clinic.dataSource.getRepository(Patient).save([1, 2].map(person))
})

afterAll(() => clinic?.close())

describe('providers', () => {
  it('are well', async () => {
    expect(await clinic.check('providers')).toMatchObject([
      { status: 'ok', subject: 'in-app:main' },
      { status: 'ok', subject: 'key store' },
    ])
  })

  it('that fail say why', async () => {
    failing = new MortiseError('ERR_KEY_PROVIDER', 'in-app:main: access denied', {
      failure: 'access',
    })
    try {
      expect(await clinic.check('providers')).toMatchObject([
        { status: 'problem', subject: 'in-app:main', finding: expect.stringContaining('(access)') },
        { status: 'ok' },
      ])
    } finally {
      failing = null
    }
  })
})

describe('wraps', () => {
  it('are well, and it is told where there is one provider', async () => {
    expect(await clinic.check('key-wraps')).toMatchObject([
      { status: 'ok', finding: expect.stringContaining('there is one provider') },
    ])
  })

  it('of a provider that is not configured are a problem', async () => {
    await clinic.sql(`UPDATE mortise_key_wrap SET provider_uri = 'in-app:gone' WHERE key_id =
      (SELECT id FROM mortise_key WHERE purpose = 'index')`)
    expect(await clinic.check('key-wraps')).toMatchObject([
      {
        status: 'problem',
        subject: expect.stringMatching(/^index key [0-9a-f]{16}$/),
        finding: 'is wrapped by in-app:gone, and none is configured',
      },
    ])
    await clinic.sql(`UPDATE mortise_key_wrap SET provider_uri = 'in-app:main'`)
  })

  it('that a configured provider lacks are a warning', async () => {
    await addProvider(clinic.keyring, { provider: provider('second') })
    expect(await clinic.check('key-wraps')).toMatchObject([
      { status: 'ok', finding: expect.not.stringContaining('one provider') },
    ])
    await clinic.sql(`DELETE FROM mortise_key_wrap WHERE provider_uri = 'in-app:second' AND key_id =
      (SELECT id FROM mortise_key WHERE purpose = 'data')`)
    expect(await clinic.check('key-wraps')).toMatchObject([
      { status: 'warning', finding: expect.stringContaining('not wrapped by in-app:second') },
    ])
  })
})

describe('the age of keys', () => {
  it('is within the policy', async () => {
    expect(await clinic.check('key-age')).toMatchObject([
      { status: 'ok', finding: 'version 1 is active for 0 days, and may be for 365' },
      { status: 'ok', subject: expect.stringContaining('index key') },
    ])
  })

  it('is more than the policy allows', async () => {
    await clinic.sql(`UPDATE mortise_key SET created_at = now() - interval '366 days'`)
    expect(await clinic.check('key-age')).toMatchObject([
      {
        status: 'warning',
        finding: 'version 1 is active for 366 days, more than 365',
        fix: expect.stringContaining('mortise rotate --purpose data'),
      },
      { status: 'ok', finding: expect.stringContaining('by reindex') },
    ])
    expect((await clinic.check('key-age', { maxKeyAgeDays: 400 }))[0]).toMatchObject({
      status: 'ok',
    })
  })

  it('is that of no key where none is active', async () => {
    await clinic.sql(`UPDATE mortise_key SET state = 'decrypt-only' WHERE purpose = 'data'`)
    expect((await clinic.check('key-age'))[0]).toMatchObject({
      status: 'problem',
      finding: 'no key is active: nothing can be sealed',
    })
    await clinic.sql(`UPDATE mortise_key SET state = 'active' WHERE purpose = 'data'`)
    await clinic.sql(`UPDATE mortise_key SET state = 'decrypt-only' WHERE purpose = 'index'`)
    expect((await clinic.check('key-age'))[1]).toMatchObject({
      status: 'problem',
      fix: 'npx mortise rotate --purpose index --data-source FILE',
    })
    await clinic.sql(`UPDATE mortise_key SET state = 'active' WHERE purpose = 'index'`)
  })
})

describe('keys in the data', () => {
  const deep = { deep: true }

  it('are counted on request', async () => {
    expect(await clinic.check('keys-in-data')).toMatchObject([
      { status: 'skipped', fix: expect.stringContaining('--deep') },
    ])
    expect(await clinic.check('keys-in-data', deep)).toMatchObject([
      {
        status: 'ok',
        finding: 'every value is under an active key, every token under a usable one',
      },
    ])
  })

  it('that were rotated away, disabled or forgotten', async () => {
    const { previousKeyId } = await rotateKek(clinic.keyring, { purpose: 'data' })
    const id = String(previousKeyId)
    expect((await clinic.check('keys-in-data', deep))[0]).toMatchObject({
      status: 'warning',
      finding: `2 values under key ${id}, which was rotated away`,
      fix: 'npx mortise rewrap --data-source FILE',
    })
    await disableKey(clinic.keyring, { keyId: id })
    expect((await clinic.check('keys-in-data', deep))[0]).toMatchObject({
      status: 'problem',
      finding: `2 values under key ${id}, which is disabled: they do not open`,
    })
    expect(await clinic.check('key-wraps')).toContainEqual(
      expect.objectContaining({
        status: 'problem',
        finding: 'is disabled, and wraps the keys of 2 subjects: their values do not open',
        fix: `npx mortise enable ${id} --data-source FILE`,
      }),
    )
    await enableKey(clinic.keyring, { keyId: id })
    await clinic.sql(`UPDATE patient SET email_hmac = overlay(email_hmac placing '\\x07' from 1)`)
    expect(await clinic.check('keys-in-data', deep)).toContainEqual(
      expect.objectContaining({
        ...{ status: 'problem', subject: 'Patient.email (patient.email_hmac)' },
        finding: '2 tokens of generation 7, which no index has: queries miss the rows',
      }),
    )
    await clinic.sql(`UPDATE patient SET email = overlay(email placing '\\x0102' from 3)`)
    expect(await clinic.check('keys-in-data', deep)).toContainEqual(
      expect.objectContaining({
        status: 'problem',
        finding: expect.stringContaining('which the key store does not have'),
      }),
    )
  })

  it('of an index: rotating is well, disabling is not', async () => {
    const { previousKeyId } = await rotateKek(clinic.keyring, { purpose: 'index' })
    const about = async () => {
      const findings = await clinic.check('keys-in-data', deep)
      return findings.filter(({ finding }) => finding.includes(String(previousKeyId)))
    }
    expect(await about()).toEqual([])
    await disableKey(clinic.keyring, { keyId: String(previousKeyId) })
    expect(await about()).toContainEqual(
      expect.objectContaining({
        ...{ status: 'problem', subject: 'Patient.nurse (patient.nurse_hmac)' },
        finding: `2 tokens under key ${previousKeyId}, which is disabled: what they index is not found`,
      }),
    )
    await enableKey(clinic.keyring, { keyId: String(previousKeyId) })
  })
})

describe('the examination', () => {
  it('finds something with every check, and changes nothing', async () => {
    const dump = () =>
      clinic.sql(`SELECT (SELECT jsonb_agg(p ORDER BY id) FROM patient p) AS rows,
        (SELECT jsonb_agg(k ORDER BY id) FROM mortise_key k) AS keys`)
    const before = await dump()
    const findings = await examine(clinic.dataSource, OPTIONS)
    const checks = [...new Set(findings.map(({ check }) => check))]
    expect(checks).toEqual([
      ...['tables', 'schema', 'indexes', 'stored-values', 'hidden-columns', 'constraints'],
      ...['transport', 'statement-log', 'providers', 'key-wraps', 'key-age', 'keys-in-data'],
      ...['adoptions', 'jobs', 'history', 'native'],
    ])
    expect(await dump()).toEqual(before)
  })

  it('goes on where a check fails, and shows none of its values', async () => {
    await clinic.sql(`ALTER TABLE patient ADD CONSTRAINT odd CHECK (age IS NULL OR true)`)
    await clinic.sql('ALTER TABLE mortise_key RENAME TO away')
    const findings = await examine(clinic.dataSource, OPTIONS)
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: 'key-age',
        status: 'problem',
        finding: expect.stringContaining('ERR_KEY_STORE'),
      }),
    )
    expect(findings.at(-2)).toMatchObject({ check: 'history', status: 'ok' })
    await clinic.sql('ALTER TABLE away RENAME TO mortise_key')
  })

  it('of an empty database finds problems, and nothing that is well with tables', async () => {
    const empty = await openClinic({}, { synchronize: false })
    const findings = await examine(empty.dataSource, { ...OPTIONS, deep: true })
    const well = findings.filter(({ status }) => status === 'ok').map(({ check }) => check)
    expect(well).toEqual(['transport', 'statement-log', 'providers', 'native'])
    expect(findings[0]).toMatchObject({ check: 'tables', status: 'problem' })
    await empty.close()
  })

  it('needs one connection', async () => {
    const one = await openClinic({}, { poolSize: 1, extra: { connectionTimeoutMillis: 2000 } })
    const findings = await examine(one.dataSource, { ...OPTIONS, deep: true })
    expect(findings.filter(({ status }) => status === 'problem')).toEqual([])
    await one.close()
  })

  it('takes a key store that is elsewhere', async () => {
    const other = await openClinic({ store: memoryKeyStore() })
    expect(await other.check('tables')).toMatchObject([
      { status: 'ok', finding: 'the keys are kept outside of this database' },
      { status: 'ok', finding: expect.stringContaining('tables that mortise keeps here') },
    ])
    await other.close()
  })

  it('refuses a DataSource that is not encrypted', async () => {
    await expect(examine({} as never, OPTIONS)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    expect(() => createKeyring({ providers: [provider('x')] })).not.toThrow()
  })
})
