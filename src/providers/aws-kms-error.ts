import { MortiseError } from '../errors'
import {
  failureNamed,
  type KmsFailure,
  type KmsOperation,
  REFUSED,
  UNKNOWN,
  UNREACHABLE,
  UNWELL,
} from './aws-kms-failure'
import type { KeyContext } from './provider'

/** A call that failed, as its error's message names it. */
export interface KmsCall {
  readonly operation: KmsOperation
  readonly uri: string
  /** The key that was wrapped or unwrapped; DescribeKey has none. */
  readonly context?: KeyContext | undefined
  /** The provider that ReEncrypt takes a wrap from. */
  readonly sourceUri?: string | undefined
}

/** What the SDK's errors have in common; most of KMS's classes are not exported. */
interface SdkError {
  readonly name?: unknown
  readonly code?: unknown
  readonly message?: unknown
  readonly $fault?: unknown
  readonly $retryable?: unknown
  readonly $metadata?: {
    readonly httpStatusCode?: number
    readonly requestId?: string
    readonly clockSkewCorrected?: boolean
  }
}

/** Errors of system calls and TLS: no answer came. */
const NETWORK_CODE = /^E(AI_)?[A-Z]+$|^(ERR_)?(SSL|TLS)_|CERT|^UNABLE_TO_/

/**
 * The typed error for whatever the SDK threw.
 *
 * The SDK's error itself never becomes the cause: it refers to the request and to the raw answer,
 * which hold the key; the message of a failed parse even quotes the answer. Where KMS described the
 * failure itself, its words are kept in a cause of their own.
 */
export function kmsError(thrown: unknown, call: KmsCall): MortiseError {
  const error: SdkError = typeof thrown === 'object' && thrown !== null ? thrown : {}
  if (/^Region is missing/.test(String(error.message))) return regionMissing(call)
  const row = failureNamed(String(error.name))
  const { failure, fix } = classify(error, row)
  const text = typeof fix === 'function' ? fix(call.operation) : fix
  return new MortiseError(
    failure === 'integrity' ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_PROVIDER',
    `${describeCall(call)} failed (${names(error).join(', ')}): ${text}`,
    {
      failure,
      retryable: failure === 'transient',
      cause: row === undefined ? undefined : ownWords(error),
    },
  )
}

/** `Decrypt of kek … with aws-kms:…`, for the messages of errors. */
export function describeCall({ operation, uri, context, sourceUri }: KmsCall): string {
  if (context === undefined) return `${operation} with ${uri}`
  const { use, domain, purpose, id, version } = context
  const source = sourceUri === undefined ? '' : ` from ${sourceUri}`
  return `${operation} of ${use} ${id} (domain ${domain}, ${purpose}, version ${version})${source} with ${uri}`
}

function classify(error: SdkError, row: KmsFailure | undefined): KmsFailure {
  const status = error.$metadata?.httpStatusCode ?? 0
  // The SDK has taken the clock's difference from the answer and signs the next call with it.
  if (error.$metadata?.clockSkewCorrected === true) return UNWELL
  if (row !== undefined) return row
  if (NETWORK_CODE.test(String(error.code))) return UNREACHABLE
  if (status >= 500 || status === 429 || error.$retryable !== undefined) return UNWELL
  if (status === 401 || status === 403) return REFUSED
  return UNKNOWN
}

/** KMS tells who was denied what; a validation error could quote the request. */
function ownWords({ $fault, name, message }: SdkError): Error | undefined {
  if ($fault === undefined || typeof message !== 'string') return undefined
  return /^Validation/.test(String(name)) ? undefined : Object.assign(new Error(message), { name })
}

/** What to look the failure up by, here and in CloudTrail. */
function names({ name, code, $metadata }: SdkError): string[] {
  const request = printable($metadata?.requestId, '')
  return [printable(name, 'Error'), printable(code, ''), request && `request ${request}`].filter(
    Boolean,
  )
}

function regionMissing({ uri }: KmsCall): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `the AWS Region of ${uri} is not known: give keyId as an ARN, set region, or set AWS_REGION`,
  )
}

/** Names, codes and request ids only; an unexpected one could be anything. */
function printable(value: unknown, otherwise: string): string {
  return typeof value === 'string' && /^[\w.:/+=-]{1,128}$/.test(value) ? value : otherwise
}
