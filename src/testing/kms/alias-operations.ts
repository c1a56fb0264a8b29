import { authorize, requireNotPending } from './access'
import type { Alias } from './account'
import { kmsArn } from './arn'
import { epochSeconds } from './epoch-seconds'
import { findKey } from './find-key'
import type { Key } from './key'
import { KmsError } from './kms-error'
import { page } from './page'
import { optionalText, text } from './parameters'
import type { KmsRequest, Operations } from './request'

const NAME = /^alias\/[A-Za-z0-9/_-]{1,250}$/

/** Names for keys, one namespace for each Region. */
export const aliasOperations: Operations = {
  CreateAlias(request) {
    const name = text(request.input, 'AliasName', 256)
    addAlias(request, name, target(request))
    return undefined
  },

  UpdateAlias(request) {
    const alias = existing(request)
    const { keyId } = target(request)
    request.region.aliases.set(alias.name, { ...alias, target: keyId, updatedAt: new Date() })
    return undefined
  },

  DeleteAlias(request) {
    request.region.aliases.delete(existing(request).name)
    return undefined
  },

  ListAliases(request) {
    const { input, region } = request
    const keyId = optionalText(input, 'KeyId')
    const only = keyId === null ? null : findKey(request, keyId, 'no aliases').keyId
    const aliases = [...region.aliases.values()].filter(
      (alias) => only === null || alias.target === only,
    )
    return page(input, 'Aliases', aliases.map(describeAlias), 50)
  },
}

/**
 * Names a key.
 *
 * @throws InvalidAliasNameException, AlreadyExistsException
 */
export function addAlias(
  { account, region }: Pick<KmsRequest, 'account' | 'region'>,
  name: string,
  key: Key,
): void {
  if (!NAME.test(name) || name.startsWith('alias/aws/')) {
    throw new KmsError('InvalidAliasNameException', `${name} is not a valid alias name`)
  }
  const arn = kmsArn(account.id, region.name, name)
  if (region.aliases.has(name)) {
    throw new KmsError('AlreadyExistsException', `An alias with the name ${arn} already exists`)
  }
  const now = new Date()
  region.aliases.set(name, { name, arn, target: key.keyId, createdAt: now, updatedAt: now })
}

function target(request: KmsRequest): Key {
  const key = findKey(request, text(request.input, 'TargetKeyId'), 'no aliases')
  authorize(request, key)
  requireNotPending(key)
  return key
}

function existing(request: KmsRequest): Alias {
  const { account, region, input } = request
  const name = text(input, 'AliasName', 256)
  const alias = region.aliases.get(name)
  if (alias === undefined) {
    const arn = kmsArn(account.id, region.name, name)
    throw new KmsError('NotFoundException', `Alias ${arn} is not found.`)
  }
  const key = region.keys.get(alias.target)
  if (key !== undefined) authorize(request, key)
  return alias
}

function describeAlias(alias: Alias): object {
  return {
    AliasName: alias.name,
    AliasArn: alias.arn,
    TargetKeyId: alias.target,
    CreationDate: epochSeconds(alias.createdAt),
    LastUpdatedDate: epochSeconds(alias.updatedAt),
  }
}
