import { aliasOperations } from './alias-operations'
import { cryptoOperations } from './crypto-operations'
import { checkGrantTokens, grantOperations } from './grant-operations'
import { keyOperations } from './key-operations'
import { KmsError } from './kms-error'
import type { Parameters } from './parameters'
import type { KmsRequest, Operations } from './request'
import { rotationOperations } from './rotation-operations'

const TARGET = 'TrentService.'
const OPERATIONS: Operations = {
  ...cryptoOperations,
  ...keyOperations,
  ...aliasOperations,
  ...rotationOperations,
  ...grantOperations,
}

/** Runs the operation that a request names. */
export function dispatch(request: KmsRequest): object | undefined {
  const { operation } = request
  if (!Object.hasOwn(OPERATIONS, operation)) throw new KmsError('UnknownOperationException')
  checkGrantTokens(request)
  return OPERATIONS[operation]?.(request)
}

/** Whether the shared request quota counts an operation. */
export function countsAgainstQuota(operation: string): boolean {
  return Object.hasOwn(cryptoOperations, operation)
}

/** The operation of an X-Amz-Target header; empty where it is no operation of KMS. */
export function operationOf(target: string): string {
  return target.startsWith(TARGET) ? target.slice(TARGET.length) : ''
}

/** @throws SerializationException for anything but a JSON object */
export function parseBody(body: Buffer): Parameters {
  try {
    const input: unknown = JSON.parse(body.toString('utf8'))
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
      return input as Parameters
    }
  } catch {
    // Falls through to the same error as another JSON value.
  }
  throw new KmsError('SerializationException', 'the request body is not a JSON object')
}
