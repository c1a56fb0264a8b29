import { describe, expect, it } from 'vitest'
import { MortiseError, type ProviderFailure } from '../../../src/errors'
import {
  ckrName,
  failureOf,
  type Pkcs11Step,
  providerFailure,
} from '../../../src/providers/pkcs11/failure'

const URI = 'pkcs11:token=t;object=k'

function thrown(name: string, code = 1): Error {
  return Object.assign(new Error(name), { name: 'Pkcs11Error', code })
}

const TABLE: [ProviderFailure, Pkcs11Step, string][] = [
  ...['SESSION_HANDLE_INVALID', 'SESSION_CLOSED', 'USER_NOT_LOGGED_IN', 'OBJECT_HANDLE_INVALID'],
  ...['KEY_HANDLE_INVALID', 'WRAPPING_KEY_HANDLE_INVALID', 'UNWRAPPING_KEY_HANDLE_INVALID'],
  ...['TOKEN_NOT_PRESENT', 'TOKEN_NOT_RECOGNIZED', 'DEVICE_REMOVED', 'CRYPTOKI_NOT_INITIALIZED'],
  ...['OPERATION_ACTIVE', 'OPERATION_NOT_INITIALIZED', 'SLOT_ID_INVALID'],
].map((name) => ['session', 'unwrap', name])
TABLE.push(
  ...[
    ...['GENERAL_ERROR', 'FUNCTION_FAILED', 'FUNCTION_CANCELED', 'DEVICE_ERROR', 'DEVICE_MEMORY'],
    ...['HOST_MEMORY', 'SESSION_COUNT'],
  ].flatMap((name): [ProviderFailure, Pkcs11Step, string][] => [
    ['transient', 'unwrap', name],
    ['transient', 'login', name],
  ]),
  ...[
    ...['PIN_INCORRECT', 'PIN_INVALID', 'PIN_LEN_RANGE', 'PIN_EXPIRED', 'PIN_LOCKED'],
    ...['USER_PIN_NOT_INITIALIZED', 'USER_ANOTHER_ALREADY_LOGGED_IN', 'VENDOR_DEFINED'],
  ].map((name): [ProviderFailure, Pkcs11Step, string] => ['access', 'login', name]),
  ...[
    ...['ENCRYPTED_DATA_INVALID', 'ENCRYPTED_DATA_LEN_RANGE', 'WRAPPED_KEY_INVALID'],
    ...['WRAPPED_KEY_LEN_RANGE', 'DATA_INVALID', 'DATA_LEN_RANGE', 'AEAD_DECRYPT_FAILED'],
  ].flatMap((name): [ProviderFailure, Pkcs11Step, string][] => [
    ['integrity', 'unwrap', name],
    ['state', 'wrap', name],
  ]),
  ...[
    ...['KEY_FUNCTION_NOT_PERMITTED', 'MECHANISM_INVALID', 'TEMPLATE_INCONSISTENT'],
    ...['KEY_TYPE_INCONSISTENT', 'CANT_LOCK', 'VENDOR_DEFINED', 'ARGUMENTS_BAD'],
  ].map((name): [ProviderFailure, Pkcs11Step, string] => ['state', 'wrap', name]),
)

describe('providerFailure', () => {
  it.each(TABLE)('%s: %s with CKR_%s', (failure, step, name) => {
    const cause = thrown(`CKR_${name}`)
    const error = providerFailure(cause, URI, step)
    expect(error).toMatchObject({
      code: failure === 'integrity' ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_PROVIDER',
      failure,
      retryable: failure === 'session' || failure === 'transient',
      message: expect.stringContaining(`${URI}: ${step} failed with CKR_${name}`),
      cause,
    })
  })

  it('reads the plain errors that some calls of pkcs11js throw', () => {
    const plain = new Error('CKR_USER_NOT_LOGGED_IN:257')
    expect(ckrName(plain)).toBe('CKR_USER_NOT_LOGGED_IN')
    expect(failureOf(plain, 'wrap')).toBe('session')
  })

  it('names values that pkcs11js has no name for', () => {
    expect(ckrName(thrown('CKR_VENDOR_DEFINED', 0x35))).toBe('CKR_AEAD_DECRYPT_FAILED')
    const error = providerFailure(new Error('CKR_VENDOR_DEFINED:2147483713'), URI, 'wrap')
    expect(error.message).toContain('CKR_VENDOR_DEFINED (0x80000041)')
  })

  it('passes typed errors, and gives every other error a place', () => {
    const typed = new MortiseError('ERR_CONFIG', 'x')
    expect(providerFailure(typed, URI, 'wrap')).toBe(typed)
    for (const cause of [new TypeError('Argument 1'), 'text', null, undefined]) {
      expect(failureOf(cause, 'wrap')).toBeUndefined()
      expect(ckrName(cause)).toBeUndefined()
      const error = providerFailure(cause, URI, 'wrap')
      expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', retryable: false })
      expect(error.failure).toBeUndefined()
    }
  })
})
