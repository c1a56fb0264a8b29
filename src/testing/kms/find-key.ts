import { kmsArn } from './arn'
import type { Key } from './key'
import { KmsError } from './kms-error'
import type { KmsRequest } from './request'

const ARN = /^arn:aws:kms:([^:]*):([^:]*):((key|alias)\/.+)$/

/**
 * The key that a KeyId names: key id, key ARN, alias name or alias ARN.
 *
 * @param aliases - whether the operation takes an alias; those that administer keys do not
 * @throws NotFoundException
 */
export function findKey(
  request: KmsRequest,
  keyId: string,
  aliases: 'aliases' | 'no aliases',
): Key {
  const resource = localResource(request, keyId)
  if (!resource.startsWith('alias/')) return findById(request, resource.replace(/^key\//, ''))
  if (aliases === 'no aliases') throw notFound(`Invalid keyId ${keyId}`)
  const alias = request.region.aliases.get(resource)
  if (alias !== undefined) return findById(request, alias.target)
  throw notFound(`Alias ${kmsArn(request.account.id, request.region.name, resource)} is not found.`)
}

/** `alias/NAME`, `key/ID` or a bare key id, of the request's own Region and account. */
function localResource({ account, region }: KmsRequest, keyId: string): string {
  if (!keyId.startsWith('arn:')) return keyId
  const [, arnRegion, arnAccount, resource] = ARN.exec(keyId) ?? []
  if (resource === undefined) throw new KmsError('InvalidArnException', `Invalid arn ${keyId}`)
  if (arnRegion !== region.name) throw notFound(`Invalid arn ${arnRegion}`)
  if (arnAccount !== account.id) throw notFound(`Invalid account ${arnAccount}`)
  return resource
}

function findById({ account, region }: KmsRequest, keyId: string): Key {
  const key = region.keys.get(keyId)
  if (key !== undefined) return key
  throw notFound(`Key '${kmsArn(account.id, region.name, `key/${keyId}`)}' does not exist`)
}

function notFound(message: string): KmsError {
  return new KmsError('NotFoundException', message)
}
