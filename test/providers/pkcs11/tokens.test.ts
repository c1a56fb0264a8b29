import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { pkcs11KeyProvider } from '../../../src/providers/pkcs11'
import type { KeyContext, KeyProvider } from '../../../src/providers/provider'
import { ckr, type Script, scriptPkcs11js } from './scripted-library'
import { ck } from './softhsm'

const KEY = Buffer.alloc(32, 0x11)
const CONTEXT: KeyContext = {
  use: 'dek',
  domain: 'default',
  purpose: 'data',
  id: '00112233445566ff',
  version: 1,
}

let script: Script
let made: KeyProvider
let modules = 0

beforeEach(() => {
  script = scriptPkcs11js()
  modules += 1
  // Each test has a module of its own: modules stay loaded.
  made = pkcs11KeyProvider({ module: `scripted-${modules}`, token: 't', key: 'k', pin: '1234' })
})

afterEach(async () => {
  await made.close?.()
  vi.restoreAllMocks()
})

const wrap = (): Promise<Uint8Array> => made.wrapKey(KEY, CONTEXT)

describe('tokens that choose the IV', () => {
  it('may write it over the one that was given', async () => {
    script.on('C_EncryptInit', (_session: Buffer, mechanism: { parameter: { iv: Buffer } }) => {
      expect(mechanism.parameter.iv).toEqual(Buffer.alloc(12, 0xab))
      mechanism.parameter.iv.fill(0xcd)
    })
    script.on('C_EncryptAsync', async () => Buffer.alloc(48, 1))
    const wrapped = Buffer.from(await wrap())
    expect(wrapped).toEqual(Buffer.concat([Buffer.alloc(12, 0xcd), Buffer.alloc(48, 1)]))
  })

  it.each(['CKR_MECHANISM_PARAM_INVALID', 'CKR_ARGUMENTS_BAD'])(
    'may answer a given one with %s, and fill in a blank one',
    async (refusal) => {
      script.on('C_EncryptInit', (_session: Buffer, mechanism: { parameter: { iv: Buffer } }) => {
        if (mechanism.parameter.iv.some((byte) => byte !== 0)) throw ckr(refusal)
        mechanism.parameter.iv.fill(0xef)
      })
      script.on('C_EncryptAsync', async () => Buffer.alloc(48, 1))
      expect(Buffer.from(await wrap()).subarray(0, 12)).toEqual(Buffer.alloc(12, 0xef))
    },
  )

  it('must not leave a blank one blank: two wraps would share it', async () => {
    script.on('C_EncryptInit', (_session: Buffer, mechanism: { parameter: { iv: Buffer } }) => {
      if (mechanism.parameter.iv.some((byte) => byte !== 0)) throw ckr('CKR_ARGUMENTS_BAD')
    })
    script.on('C_EncryptAsync', async () => Buffer.alloc(48, 1))
    await expect(wrap()).rejects.toMatchObject({ code: 'ERR_KEY_PROVIDER', retryable: false })
  })

  it('must make a wrap of the right length', async () => {
    script.on('C_EncryptAsync', async () => Buffer.alloc(44, 1))
    await expect(wrap()).rejects.toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'state' })
  })
})

describe('sessions', () => {
  it('are read-write, unless the token is write-protected', async () => {
    const flags: number[] = []
    script.on('C_OpenSession', (_slot: Buffer, given: number) => {
      flags.push(given)
      return Buffer.of(7)
    })
    await wrap()
    await made.close?.()
    const protectedToken = { label: 't'.padEnd(32), flags: ck.CKF_WRITE_PROTECTED }
    script.on('C_GetTokenInfo', () => protectedToken)
    made = pkcs11KeyProvider({ module: `protected-${modules}`, token: 't', key: 'k', pin: '1234' })
    await wrap()
    expect(new Set(flags)).toEqual(
      new Set([ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION, ck.CKF_SERIAL_SESSION]),
    )
  })

  it('that are lost cost a call one more try, exactly one', async () => {
    await wrap()
    script.on('C_EncryptAsync', async () => {
      throw ckr('CKR_SESSION_HANDLE_INVALID')
    })
    const before = script.count('C_EncryptAsync')
    await expect(wrap()).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      failure: 'session',
      retryable: true,
      message: expect.stringContaining('CKR_SESSION_HANDLE_INVALID'),
    })
    expect(script.count('C_EncryptAsync') - before).toBe(2)
  })

  it.each(['CKR_DEVICE_ERROR', 'CKR_FUNCTION_FAILED', 'CKR_HOST_MEMORY', 'CKR_GENERAL_ERROR'])(
    'stay after %s, which is not tried again here',
    async (name) => {
      await wrap()
      const sessions = script.count('C_OpenSession')
      script.on('C_EncryptAsync', async () => {
        throw ckr(name)
      })
      const before = script.count('C_EncryptAsync')
      await expect(wrap()).rejects.toMatchObject({ failure: 'transient', retryable: true })
      expect(script.count('C_EncryptAsync') - before).toBe(1)
      expect(script.count('C_OpenSession')).toBe(sessions)
    },
  )
})

describe('CKR_GENERAL_ERROR while unwrapping', () => {
  it('is a forged wrap where the session goes on working', async () => {
    const wrapped = await wrap()
    let first = true
    script.on('C_DecryptAsync', async () => {
      if (!first) return Buffer.alloc(32)
      first = false
      throw ckr('CKR_GENERAL_ERROR', 5)
    })
    await expect(made.unwrapKey(wrapped, CONTEXT)).rejects.toMatchObject({
      code: 'ERR_KEY_INTEGRITY',
    })
  })

  it('is a fault of the token where the session fails on every wrap', async () => {
    const wrapped = await wrap()
    script.on('C_DecryptAsync', async () => {
      throw ckr('CKR_GENERAL_ERROR', 5)
    })
    await expect(made.unwrapKey(wrapped, CONTEXT)).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      failure: 'transient',
    })
  })
})

describe('the login', () => {
  it.each(['CKR_PIN_INCORRECT', 'CKR_PIN_LOCKED', 'CKR_PIN_EXPIRED', 'CKR_VENDOR_DEFINED'])(
    'that is refused with %s is not tried again',
    async (name) => {
      script.on('C_Login', () => {
        throw ckr(name)
      })
      for (let i = 0; i < 5; i += 1) {
        await expect(wrap()).rejects.toMatchObject({
          failure: 'access',
          retryable: false,
          message: expect.stringContaining(name),
        })
      }
      expect(script.count('C_Login')).toBe(1)
      expect(script.count('C_CloseSession')).toBeGreaterThan(0)
    },
  )

  it('that another thread was first with is taken as done', async () => {
    script.on('C_Login', () => {
      throw ckr('CKR_USER_ALREADY_LOGGED_IN')
    })
    expect(await wrap()).toHaveLength(60)
  })

  it('that the token could not answer is tried again by the next call', async () => {
    let fails = true
    script.on('C_Login', () => {
      if (fails) throw ckr('CKR_DEVICE_ERROR')
    })
    await expect(wrap()).rejects.toMatchObject({ failure: 'transient' })
    fails = false
    expect(await wrap()).toHaveLength(60)
  })
})

describe('a caller that has given up', () => {
  it('costs the token nothing', async () => {
    const signal = AbortSignal.abort()
    await expect(made.wrapKey(KEY, CONTEXT, { signal })).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      failure: 'transient',
    })
    expect(script.calls).toEqual([])
  })
})

describe('the module', () => {
  it('must allow calls from several threads', async () => {
    const flags: unknown[] = []
    script.on('C_Initialize', (options: { flags: number }) => {
      flags.push(options.flags)
      throw ckr('CKR_CANT_LOCK')
    })
    await expect(wrap()).rejects.toMatchObject({ failure: 'state', retryable: false })
    expect(flags).toEqual([ck.CKF_OS_LOCKING_OK])
  })

  it('is left alone where someone else initialised it, also to recover', async () => {
    script.on('C_Initialize', () => {
      throw ckr('CKR_CRYPTOKI_ALREADY_INITIALIZED')
    })
    await wrap()
    script.on('C_FindObjects', () => [])
    script.on('C_EncryptAsync', async () => {
      throw ckr('CKR_KEY_HANDLE_INVALID')
    })
    await expect(wrap()).rejects.toMatchObject({ failure: 'state' })
    await made.close?.()
    expect(script.count('C_Finalize')).toBe(0)
  })

  it('is initialised anew once per loss, not by every call to a key that is gone', async () => {
    await wrap()
    script.on('C_FindObjects', () => [])
    script.on('C_EncryptAsync', async () => {
      throw ckr('CKR_KEY_HANDLE_INVALID')
    })
    for (let i = 0; i < 3; i += 1) {
      await expect(wrap()).rejects.toMatchObject({ failure: 'state' })
    }
    expect(script.count('C_Finalize')).toBe(1)
  })

  it('is finalised only after every call, also one on sessions that were replaced', async () => {
    let finish = (_sealed: Buffer): void => {}
    const sealed = new Promise<Buffer>((resolve) => {
      finish = resolve
    })
    script.on('C_EncryptAsync', () => sealed)
    const slow = wrap()
    await expect.poll(() => script.count('C_EncryptAsync')).toBe(1)
    script.on('C_EncryptAsync', async () => {
      script.on('C_EncryptAsync', async () => Buffer.alloc(48, 1))
      throw ckr('CKR_SESSION_HANDLE_INVALID')
    })
    await wrap()
    const closing = made.close?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(script.count('C_Finalize')).toBe(0)
    finish(Buffer.alloc(48, 1))
    await Promise.all([slow, closing])
    expect(script.count('C_Finalize')).toBe(1)
  })

  it('may have other tokens that cannot be read', async () => {
    script.on('C_GetSlotList', () => [Buffer.of(2), Buffer.of(1)])
    script.on('C_GetTokenInfo', (slot: Buffer) => {
      if (slot[0] === 2) throw ckr('CKR_TOKEN_NOT_RECOGNIZED')
      return { label: 't'.padEnd(32), flags: 0 }
    })
    await wrap()
  })

  it('has one token of a label', async () => {
    script.on('C_GetSlotList', () => [Buffer.of(1), Buffer.of(2)])
    await expect(wrap()).rejects.toMatchObject({
      failure: 'state',
      message: expect.stringContaining('several tokens'),
    })
  })
})
