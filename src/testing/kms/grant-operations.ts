import { randomHex } from '../random'
import { accessDenied, authorize, requireEnabled, requireNotPending } from './access'
import { endDryRun } from './dry-run'
import { epochSeconds } from './epoch-seconds'
import { findKey } from './find-key'
import type { Grant } from './grant'
import type { Key } from './key'
import { invalidParameter, KmsError } from './kms-error'
import { page } from './page'
import { encryptionContext, optionalText, type Parameters, text, texts } from './parameters'
import type { KmsRequest, Operations } from './request'

const OPERATIONS = [
  'Decrypt',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom',
  'ReEncryptTo',
  'CreateGrant',
  'RetireGrant',
  'DescribeKey',
]

/** Permissions on one key for one principal; they take effect at once. */
export const grantOperations: Operations = {
  CreateGrant(request) {
    const { input } = request
    const grant = readGrant(input)
    const key = grantedKey(request)
    requireEnabled(key)
    endDryRun(input)
    key.grants.set(grant.id, grant)
    return { GrantId: grant.id, GrantToken: grant.token }
  },

  ListGrants(request) {
    const { input } = request
    const key = grantedKey(request)
    requireNotPending(key)
    const id = optionalText(input, 'GrantId')
    const grantee = optionalText(input, 'GranteePrincipal')
    const grants = [...key.grants.values()]
      .filter((grant) => id === null || grant.id === id)
      .filter((grant) => grantee === null || grant.grantee === grantee)
    const described = grants.map((grant) => describeGrant(request, key, grant))
    return page(input, 'Grants', described, 50)
  },

  RevokeGrant(request) {
    const key = grantedKey(request)
    requireNotPending(key)
    const grant = grantOf(key, text(request.input, 'GrantId'))
    endDryRun(request.input)
    key.grants.delete(grant.id)
    return undefined
  },

  RetireGrant(request) {
    const { input, caller } = request
    const { key, grant } = retiredGrant(request)
    const own = grant.grantee === caller.arn && grant.operations.includes('RetireGrant')
    if (!own && grant.retiring !== caller.arn && key.owner !== caller.arn) {
      throw accessDenied(caller.arn, 'RetireGrant', key.arn)
    }
    requireNotPending(key)
    endDryRun(input)
    key.grants.delete(grant.id)
    return undefined
  },
}

/**
 * Refuses tokens that no grant of the Region has. Grants hold at once here, so that a token adds
 * nothing to them.
 *
 * @throws InvalidGrantTokenException
 */
export function checkGrantTokens({ input, region }: KmsRequest): void {
  const keys = [...region.keys.values()]
  for (const token of texts(input, 'GrantTokens')) {
    const known = keys.some(({ grants }) => [...grants.values()].some((g) => g.token === token))
    if (!known) throw invalidToken()
  }
}

function grantedKey(request: KmsRequest): Key {
  const key = findKey(request, text(request.input, 'KeyId'), 'no aliases')
  authorize(request, key)
  return key
}

function readGrant(input: Parameters): Grant {
  const operations = texts(input, 'Operations')
  if (operations.length === 0 || !operations.every((name) => OPERATIONS.includes(name))) {
    throw invalidParameter('Operations', `Member must be out of [${OPERATIONS.join(', ')}]`)
  }
  return {
    id: randomHex(32),
    token: randomHex(32),
    name: optionalText(input, 'Name', 256),
    grantee: text(input, 'GranteePrincipal', 256),
    retiring: optionalText(input, 'RetiringPrincipal', 256),
    operations,
    constraint: readConstraint((input.Constraints ?? {}) as Parameters),
    createdAt: new Date(),
  }
}

function readConstraint(input: Parameters): Grant['constraint'] {
  if (input.EncryptionContextEquals != null) {
    return { kind: 'equals', context: encryptionContext(input, 'EncryptionContextEquals') }
  }
  if (input.EncryptionContextSubset != null) {
    return { kind: 'subset', context: encryptionContext(input, 'EncryptionContextSubset') }
  }
  return null
}

function grantOf(key: Key, id: string): Grant {
  const grant = key.grants.get(id)
  if (grant !== undefined) return grant
  throw new KmsError('NotFoundException', `Grant ID ${id} not found`)
}

/** By token, or by key and id. */
function retiredGrant(request: KmsRequest): { key: Key; grant: Grant } {
  const { input, region } = request
  const token = optionalText(input, 'GrantToken', 8192)
  if (token === null) {
    const key = findKey(request, text(input, 'KeyId'), 'no aliases')
    return { key, grant: grantOf(key, text(input, 'GrantId')) }
  }
  for (const key of region.keys.values()) {
    const grant = [...key.grants.values()].find((candidate) => candidate.token === token)
    if (grant !== undefined) return { key, grant }
  }
  throw invalidToken()
}

function invalidToken(): KmsError {
  return new KmsError('InvalidGrantTokenException', 'Invalid grant token')
}

function describeGrant({ account }: KmsRequest, key: Key, grant: Grant): object {
  const { constraint } = grant
  const name = constraint?.kind === 'equals' ? 'EncryptionContextEquals' : 'EncryptionContextSubset'
  return {
    KeyId: key.arn,
    GrantId: grant.id,
    ...(grant.name !== null && { Name: grant.name }),
    CreationDate: epochSeconds(grant.createdAt),
    GranteePrincipal: grant.grantee,
    ...(grant.retiring !== null && { RetiringPrincipal: grant.retiring }),
    IssuingAccount: `arn:aws:iam::${account.id}:root`,
    Operations: grant.operations,
    ...(constraint !== null && { Constraints: { [name]: constraint.context } }),
  }
}
