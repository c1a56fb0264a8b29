import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { isMortiseError, type MortiseError } from '../../src/errors'
import { type Pkcs11KeyOptions, pkcs11KeyProvider } from '../../src/providers/pkcs11'
import type { KeyProvider } from '../../src/providers/provider'
import { CONTEXT } from './context'
import { administrate, ck, SKIPPED, type SoftHsm, setUpSoftHsm } from './pkcs11/softhsm'

const KEY = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20', 'hex')

const found = setUpSoftHsm()
const hsm = found as SoftHsm
const open: KeyProvider[] = []
/** Asked for once per login. */
const pin = vi.fn(async () => hsm.pin)

function provider(options: Partial<Pkcs11KeyOptions> = {}): KeyProvider {
  const { module, token, key } = hsm
  const made = pkcs11KeyProvider({ module, token, key, pin, ...options })
  open.push(made)
  return made
}

/** A provider that has been used, and a wrap of its own. */
async function connected(options: Partial<Pkcs11KeyOptions> = {}): Promise<{
  made: KeyProvider
  opens: () => Promise<void>
}> {
  const made = provider(options)
  const wrapped = await made.wrapKey(KEY, CONTEXT)
  pin.mockClear()
  const opens = async (): Promise<void> => {
    expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
  }
  return { made, opens }
}

async function failure(call: Promise<unknown>): Promise<MortiseError> {
  const error: unknown = await call.then(
    () => expect.fail('did not fail'),
    (reason) => reason,
  )
  expect(isMortiseError(error)).toBe(true)
  return error as MortiseError
}

function times(count: number, call: () => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, call))
}

function library(): InstanceType<typeof ck.PKCS11> {
  const loaded = new ck.PKCS11()
  loaded.load(hsm.module)
  return loaded
}

afterEach(async () => {
  for (const made of open.splice(0)) await made.close?.()
})

describe.skipIf(found === null)(`recovery${found === null ? ` (${SKIPPED})` : ''}`, () => {
  const tokens = (): string => join(hsm.folder, 'tokens')
  const away = (): string => join(hsm.folder, 'away')

  afterAll(() => rmSync(hsm.folder, { recursive: true, force: true }))

  it('replaces sessions that someone closed, with one login for all calls', async () => {
    const { opens } = await connected()
    administrate(hsm, ({ library, slot }) => library.C_CloseAllSessions(slot))
    await times(20, opens)
    expect(pin).toHaveBeenCalledTimes(1)
  })

  it('logs in again after someone logged out', async () => {
    const { opens, made } = await connected()
    administrate(hsm, ({ library, session }) => library.C_Logout(session))
    await times(20, opens)
    administrate(hsm, ({ library, session }) => library.C_Logout(session))
    expect(await made.wrapKey(KEY, CONTEXT)).toHaveLength(72)
    expect(pin).toHaveBeenCalledTimes(2)
  })

  it('survives sessions that are lost while calls are under way', async () => {
    const { opens } = await connected()
    const calls = times(40, opens)
    administrate(hsm, ({ library, slot }) => library.C_CloseAllSessions(slot))
    await calls
    await opens()
  })

  it('initialises the module again after someone finalised it', async () => {
    const first = await connected()
    const second = await connected({ key: 'mortise-root', keyId: '01' })
    library().C_Finalize()
    await Promise.all([times(5, first.opens), times(5, second.opens)])
    expect(pin.mock.calls.length).toBeLessThanOrEqual(2)
  })

  it('finds a token again that was away', async () => {
    const { opens, made } = await connected()
    renameSync(tokens(), away())
    const error = await failure(made.wrapKey(KEY, CONTEXT))
    expect(error.code).toBe('ERR_KEY_PROVIDER')
    expect(await failure(made.wrapKey(KEY, CONTEXT))).toMatchObject({ retryable: true })
    renameSync(away(), tokens())
    await times(5, opens)
  })

  it('finds a token again that was away between two calls, for all its providers', async () => {
    const first = await connected()
    const second = await connected({ keyId: '01' })
    renameSync(tokens(), away())
    renameSync(away(), tokens())
    administrate(hsm, ({ library, slot }) => library.C_CloseAllSessions(slot))
    await Promise.all([times(5, first.opens), times(5, second.opens)])
  })

  it('says that the key is gone, and uses it when it is back', async () => {
    administrate(hsm, ({ createKey }) => createKey('brief'))
    const { opens, made } = await connected({ key: 'brief' })
    const other = await connected()
    administrate(hsm, ({ deleteKey }) => deleteKey('brief'))
    for (const error of [await failure(opens()), await failure(made.wrapKey(KEY, CONTEXT))]) {
      expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'state', retryable: false })
      expect(error.message).toContain('no such secret key')
    }
    await other.opens()
    administrate(hsm, ({ createKey }) => createKey('brief'))
    await opens()
  })

  it('does not try a PIN again that was changed meanwhile', async () => {
    const { made } = await connected()
    administrate(hsm, ({ library, session }) => {
      library.C_SetPIN(session, hsm.pin, '9999999999')
      library.C_Logout(session)
    })
    const calls = Array.from({ length: 10 }, () => failure(made.wrapKey(KEY, CONTEXT)))
    for (const error of [
      ...(await Promise.all(calls)),
      await failure(made.wrapKey(KEY, CONTEXT)),
    ]) {
      expect(error).toMatchObject({ failure: 'access', retryable: false })
      expect(error.message).toContain('CKR_PIN_INCORRECT')
    }
    expect(pin).toHaveBeenCalledTimes(1)
    const anew = provider({ pin: '9999999999' })
    expect(await anew.wrapKey(KEY, CONTEXT)).toHaveLength(72)
    administrate({ ...hsm, pin: '9999999999' }, ({ library, session }) =>
      library.C_SetPIN(session, '9999999999', hsm.pin),
    )
  })
})
