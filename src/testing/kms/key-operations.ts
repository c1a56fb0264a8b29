import { authorize, requireEnabled, requireNotPending } from './access'
import { addKey } from './account'
import { epochSeconds } from './epoch-seconds'
import { findKey } from './find-key'
import { createKey, KEY_SPECS, KEY_USAGES, type Key, replicaOf } from './key'
import { keyMetadata } from './key-metadata'
import { KmsError, unsupported } from './kms-error'
import { page } from './page'
import { choice, flag, optionalInteger, optionalText, type Parameters, text } from './parameters'
import type { KmsRequest, Operations } from './request'

const DAY_MS = 86_400_000
const MIN_WINDOW_DAYS = 7
const MAX_WINDOW_DAYS = 30

/** What makes, describes and ends keys. */
export const keyOperations: Operations = {
  CreateKey({ input, account, region, caller }) {
    refuseOtherOrigins(input)
    refusePolicy(input)
    const key = createKey({
      account: account.id,
      region: region.name,
      owner: caller.arn,
      description: optionalText(input, 'Description', 8192) ?? '',
      multiRegion: flag(input, 'MultiRegion'),
      spec: choice(input, 'KeySpec', KEY_SPECS) ?? 'SYMMETRIC_DEFAULT',
      usage: choice(input, 'KeyUsage', KEY_USAGES) ?? 'ENCRYPT_DECRYPT',
    })
    addKey(account, key)
    return { KeyMetadata: keyMetadata(account, key) }
  },

  ReplicateKey(request) {
    const { input, account, caller } = request
    refusePolicy(input)
    const primary = administered(request)
    requireEnabled(primary)
    const { multiRegion, primaryRegion } = primary.family
    if (!multiRegion || primaryRegion !== primary.region) {
      throw unsupported(`${primary.arn} is not a multi-Region primary key.`)
    }
    const replica = replicaOf(primary, {
      account: account.id,
      region: text(input, 'ReplicaRegion', 32),
      owner: caller.arn,
      description: optionalText(input, 'Description', 8192) ?? '',
    })
    addKey(account, replica)
    return { ReplicaKeyMetadata: keyMetadata(account, replica), ReplicaTags: [] }
  },

  DescribeKey(request) {
    const key = findKey(request, text(request.input, 'KeyId'), 'aliases')
    authorize(request, key)
    return { KeyMetadata: keyMetadata(request.account, key) }
  },

  ListKeys({ input, region }) {
    const keys = [...region.keys.values()].map(({ keyId, arn }) => ({ KeyId: keyId, KeyArn: arn }))
    return page(input, 'Keys', keys, 100)
  },

  EnableKey(request) {
    const key = administered(request)
    requireNotPending(key)
    key.enabled = true
    return undefined
  },

  DisableKey(request) {
    const key = administered(request)
    requireNotPending(key)
    key.enabled = false
    return undefined
  },

  ScheduleKeyDeletion(request) {
    const { input } = request
    const name = 'PendingWindowInDays'
    const days = optionalInteger(input, name, MIN_WINDOW_DAYS, MAX_WINDOW_DAYS) ?? MAX_WINDOW_DAYS
    const key = administered(request)
    requireNotPending(key)
    const date = new Date(Date.now() + days * DAY_MS)
    key.deletion = { date, windowDays: days }
    key.enabled = false
    return {
      KeyId: key.arn,
      DeletionDate: epochSeconds(date),
      KeyState: 'PendingDeletion',
      PendingWindowInDays: days,
    }
  },

  CancelKeyDeletion(request) {
    const key = administered(request)
    // AWS leaves the key disabled: whoever wants it back has to enable it.
    if (key.deletion === null) throw notPending(key)
    key.deletion = null
    return { KeyId: key.arn }
  },
}

function administered(request: KmsRequest): Key {
  const key = findKey(request, text(request.input, 'KeyId'), 'no aliases')
  authorize(request, key)
  return key
}

function notPending(key: Key): KmsError {
  return new KmsError('KMSInvalidStateException', `${key.arn} is not pending deletion.`)
}

function refuseOtherOrigins(input: Parameters): void {
  const origin = optionalText(input, 'Origin')
  const plain = origin === null || origin === 'AWS_KMS'
  if (plain && input.CustomKeyStoreId == null && input.XksKeyId == null) return
  throw unsupported('only keys that KMS itself makes are emulated')
}

/** Ignoring a policy would let a test pass that shows nothing. */
function refusePolicy(input: Parameters): void {
  if (input.Policy == null) return
  throw unsupported(
    'key policies are not emulated: make a restricted key with emulator.createKey()',
  )
}
