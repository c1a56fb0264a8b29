import Module from 'node:module'
import { vi } from 'vitest'
import { IV_BYTES, openAead, sealAead } from '../../../src/crypto/aead'
import { secretKey } from '../../../src/crypto/secret-key'
import { ck } from './softhsm'

/** A method of pkcs11js. */
type Method = (...args: never[]) => unknown

/** What the scripted library was asked, and how to change its answers. */
export interface Script {
  /** Names of the functions called, in order. */
  readonly calls: string[]
  /** Replaces one function. */
  on(name: string, method: Method): void
  /** How often a function was called. */
  count(name: string): number
}

export function ckr(name: string, code = 1): Error {
  return Object.assign(new Error(name), { name: 'Pkcs11Error', code })
}

const KEY = secretKey(Buffer.alloc(32, 0x42))
const FLAG = (value: boolean): Buffer => Buffer.of(value ? 1 : 0)
const NUMBER = (value: number): Buffer => Buffer.of(value, 0, 0, 0, 0, 0, 0, 0)

interface Gcm {
  readonly parameter: { readonly iv: Buffer; readonly aad: Buffer }
}

/**
 * Answers `pkcs11js` with a library of one token, `t`, and one key, `k`, that knows AES-GCM. For what
 * SoftHSM does not do: tokens that choose the IV, refuse sessions, or fail at a chosen moment.
 */
export function scriptPkcs11js(): Script {
  const calls: string[] = []
  const methods = new Map<string, Method>(Object.entries(token()))
  class PKCS11 {
    constructor() {
      for (const name of methods.keys()) {
        Object.assign(this, {
          [name]: (...args: never[]) => {
            calls.push(name)
            return (methods.get(name) as Method)(...args)
          },
        })
      }
    }
  }
  const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown }
  const load = loader._load
  vi.spyOn(loader, '_load').mockImplementation((name, ...rest) =>
    name === 'pkcs11js' ? { ...ck, PKCS11 } : load(name, ...rest),
  )
  return {
    calls,
    on: (name, method) => methods.set(name, method),
    count: (name) => calls.filter((call) => call === name).length,
  }
}

function token(): Record<string, Method> {
  let loggedIn = false
  let operation: Gcm | undefined
  const begin = (_session: Buffer, mechanism: Gcm): void => {
    operation = mechanism
  }
  const attributes = new Map([
    [ck.CKA_KEY_TYPE, NUMBER(ck.CKK_AES)],
    [ck.CKA_VALUE_LEN, NUMBER(32)],
    [ck.CKA_SENSITIVE, FLAG(true)],
    [ck.CKA_EXTRACTABLE, FLAG(false)],
    [ck.CKA_WRAP, FLAG(false)],
    [ck.CKA_UNWRAP, FLAG(false)],
    [ck.CKA_ENCRYPT, FLAG(true)],
    [ck.CKA_DECRYPT, FLAG(true)],
  ])
  return {
    load: () => {},
    C_Initialize: () => {},
    C_Finalize: () => {},
    C_GetInfo: () => ({}),
    C_GetSlotList: () => [Buffer.of(1)],
    C_GetTokenInfo: () => ({ label: 't'.padEnd(32), flags: 0 }),
    C_GetMechanismList: () => [ck.CKM_AES_GCM],
    C_OpenSession: () => Buffer.of(7),
    C_CloseSession: () => {},
    C_GetSessionInfo: () => ({ state: loggedIn ? 3 : 2 }),
    C_Login: () => {
      loggedIn = true
    },
    C_FindObjectsInit: () => {},
    C_FindObjects: () => [Buffer.of(9)],
    C_FindObjectsFinal: () => {},
    C_GetAttributeValue: (_session, _object, template: { type: number }[]) =>
      template.map(({ type }) => ({ type, value: attributes.get(type) })),
    C_GenerateRandom: (_session, room: Buffer) => room.fill(0xab),
    C_EncryptInit: begin,
    C_DecryptInit: begin,
    C_EncryptAsync: async (_session, input: Buffer) => {
      const { iv, aad } = (operation as Gcm).parameter
      return Buffer.concat(sealAead(KEY, iv.subarray(0, IV_BYTES), aad, input))
    },
    C_DecryptAsync: async (_session, input: Buffer) => {
      const { iv, aad } = (operation as Gcm).parameter
      const opened = openAead(KEY, iv, aad, input.subarray(0, 32), input.subarray(32))
      if (opened === null) throw ckr('CKR_ENCRYPTED_DATA_INVALID')
      return opened
    },
  }
}
