import type { EncryptionContext } from './parameters'

/** Permission for one principal to use one key. */
export interface Grant {
  readonly id: string
  readonly token: string
  readonly name: string | null
  /** ARN of the caller that may use the key. */
  readonly grantee: string
  /** ARN of the caller that may end the grant. */
  readonly retiring: string | null
  readonly operations: readonly string[]
  /** Pairs that the encryption context must contain, or equal. */
  readonly constraint: {
    readonly kind: 'subset' | 'equals'
    readonly context: EncryptionContext
  } | null
  readonly createdAt: Date
}

/** Whether a grant covers an operation, given the encryption context of the request. */
export function grantCovers(
  grant: Grant,
  operation: string,
  context: EncryptionContext | null,
): boolean {
  if (!grant.operations.includes(operation)) return false
  if (grant.constraint === null) return true
  const { kind, context: wanted } = grant.constraint
  const given = context ?? {}
  const contained = Object.entries(wanted).every(([name, value]) => given[name] === value)
  if (kind === 'subset') return contained
  return contained && Object.keys(given).length === Object.keys(wanted).length
}
