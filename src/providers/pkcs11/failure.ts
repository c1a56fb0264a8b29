import { isMortiseError, MortiseError, type ProviderFailure } from '../../errors'

/** What a call was doing; the same return value means different things. */
export type Pkcs11Step = 'connect' | 'login' | 'wrap' | 'unwrap'

/** What a PKCS#11 function returned instead of CKR_OK. */
interface ReturnValue {
  /** `CKR_VENDOR_DEFINED` for every value that pkcs11js does not know. */
  readonly name: string
  readonly value: number
}

const SESSION = `SESSION_HANDLE_INVALID SESSION_CLOSED USER_NOT_LOGGED_IN OBJECT_HANDLE_INVALID
  KEY_HANDLE_INVALID WRAPPING_KEY_HANDLE_INVALID UNWRAPPING_KEY_HANDLE_INVALID TOKEN_NOT_PRESENT
  TOKEN_NOT_RECOGNIZED DEVICE_REMOVED SLOT_ID_INVALID CRYPTOKI_NOT_INITIALIZED OPERATION_ACTIVE
  OPERATION_NOT_INITIALIZED`

const TRANSIENT = `GENERAL_ERROR FUNCTION_FAILED FUNCTION_CANCELED DEVICE_ERROR DEVICE_MEMORY
  HOST_MEMORY SESSION_COUNT MUTEX_BAD`

const ACCESS = `PIN_INCORRECT PIN_INVALID PIN_LEN_RANGE PIN_EXPIRED PIN_LOCKED PIN_TOO_WEAK
  USER_PIN_NOT_INITIALIZED USER_TYPE_INVALID USER_ANOTHER_ALREADY_LOGGED_IN USER_TOO_MANY_TYPES
  SESSION_READ_WRITE_SO_EXISTS FUNCTION_REJECTED`

/** Only of an unwrap: the blob is not what the token made. */
const INTEGRITY = `ENCRYPTED_DATA_INVALID ENCRYPTED_DATA_LEN_RANGE WRAPPED_KEY_INVALID
  WRAPPED_KEY_LEN_RANGE DATA_INVALID DATA_LEN_RANGE SIGNATURE_INVALID AEAD_DECRYPT_FAILED`

const FAILURES: ReadonlyMap<string, ProviderFailure> = new Map([
  ...entries(SESSION, 'session'),
  ...entries(TRANSIENT, 'transient'),
  ...entries(ACCESS, 'access'),
  ...entries(INTEGRITY, 'integrity'),
])

/** PKCS#11 3.0; pkcs11js knows the names of 2.40. */
const CKR_AEAD_DECRYPT_FAILED = 0x35

const ADVICE: Record<ProviderFailure, string> = {
  session: 'its session was lost and could not be made again; check the token and its connection',
  transient: 'the token could not answer; if it lasts, check the token and its connection',
  access:
    'the token refuses the PIN or the user; correct it and make the provider anew: it does not try again, because tokens lock after a few attempts',
  integrity:
    'the stored wrap was not made by this key, or it was changed; restore the key store, or configure the provider that made it',
  state: 'the token cannot use this key in this way; check its attributes and its mechanisms',
}

/** The name of a PKCS#11 return value; undefined for any other error. */
export function ckrName(error: unknown): string | undefined {
  return returnValue(error)?.name
}

/**
 * Why a call failed. Values without an entry mean that this key or mechanism cannot be used (`state`);
 * while logging in, that the token refuses the login: to try again could lock it.
 *
 * @returns undefined for what is no PKCS#11 return value
 */
export function failureOf(error: unknown, step: Pkcs11Step): ProviderFailure | undefined {
  if (isMortiseError(error)) return error.failure
  const name = ckrName(error)
  if (name === undefined) return undefined
  const failure = FAILURES.get(name) ?? (step === 'login' ? 'access' : 'state')
  return failure === 'integrity' && step !== 'unwrap' ? 'state' : failure
}

/**
 * What a caller of the provider sees of a failure: its own errors unchanged, a PKCS#11 return value
 * with its name and what to do, anything else as an error of the module.
 */
export function providerFailure(error: unknown, uri: string, step: Pkcs11Step): MortiseError {
  if (isMortiseError(error)) return error
  const failure = failureOf(error, step)
  if (failure === undefined) return moduleError(error, uri, step)
  const code = failure === 'integrity' ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_PROVIDER'
  const message = `${uri}: ${step} failed with ${shown(error)}: ${ADVICE[failure]}`
  return new MortiseError(code, message, { failure, retryable: isRetryable(failure), cause: error })
}

/** A failure that no return value describes. */
export function failed(uri: string, failure: ProviderFailure, problem: string): MortiseError {
  const code = failure === 'integrity' ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_PROVIDER'
  return new MortiseError(code, `${uri}: ${problem}`, { failure, retryable: isRetryable(failure) })
}

function isRetryable(failure: ProviderFailure): boolean {
  return failure === 'session' || failure === 'transient'
}

function moduleError(error: unknown, uri: string, step: Pkcs11Step): MortiseError {
  return new MortiseError(
    'ERR_KEY_PROVIDER',
    `${uri}: ${step} failed in the module; see the cause`,
    {
      cause: error,
    },
  )
}

function shown(error: unknown): string {
  const { name, value } = returnValue(error) as ReturnValue
  return name === 'CKR_VENDOR_DEFINED' ? `${name} (0x${value.toString(16)})` : name
}

/**
 * By shape: the class belongs to an optional package that may be loaded twice, and some methods of
 * pkcs11js throw a plain error whose message is `NAME:VALUE`.
 */
function returnValue(error: unknown): ReturnValue | undefined {
  const { name, message, code } = (error ?? {}) as Record<string, unknown>
  const text = name === 'Pkcs11Error' ? `${message}:${code}` : String(message)
  const [, ckr, digits] = /^(CKR_\w+):(\d+)/.exec(text) ?? []
  if (ckr === undefined) return undefined
  const value = Number(digits)
  return { name: value === CKR_AEAD_DECRYPT_FAILED ? 'CKR_AEAD_DECRYPT_FAILED' : ckr, value }
}

function entries(names: string, failure: ProviderFailure): [string, ProviderFailure][] {
  return names.split(/\s+/).map((name) => [`CKR_${name}`, failure])
}
