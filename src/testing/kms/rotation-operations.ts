import { authorize, requireEnabled, requireNotPending } from './access'
import { epochSeconds } from './epoch-seconds'
import { findKey } from './find-key'
import { type Key, rotateMaterial } from './key'
import { KmsError, unsupported } from './kms-error'
import { page } from './page'
import { optionalInteger, text } from './parameters'
import type { KmsRequest, Operations } from './request'

const DAY_MS = 86_400_000
const DEFAULT_PERIOD_DAYS = 365
/** On-demand rotations that AWS allows in the life of a key. */
const MAX_ON_DEMAND = 25

/** New material for a key; what was encrypted before stays as it is, and decrypts. */
export const rotationOperations: Operations = {
  RotateKeyOnDemand(request) {
    const key = rotatableKey(request)
    requireEnabled(key)
    requirePrimary(key)
    if (key.family.materials.length > MAX_ON_DEMAND) {
      const message = `${key.arn} has reached the limit of on-demand rotations.`
      throw new KmsError('LimitExceededException', message)
    }
    rotateMaterial(key.family)
    return { KeyId: key.arn }
  },

  EnableKeyRotation(request) {
    const days = optionalInteger(request.input, 'RotationPeriodInDays', 90, 2560)
    const key = rotatableKey(request)
    requireEnabled(key)
    requirePrimary(key)
    key.family.rotationDays = days ?? DEFAULT_PERIOD_DAYS
    return undefined
  },

  DisableKeyRotation(request) {
    const key = rotatableKey(request)
    requireEnabled(key)
    requirePrimary(key)
    key.family.rotationDays = null
    return undefined
  },

  GetKeyRotationStatus(request) {
    const key = rotatableKey(request)
    requireNotPending(key)
    const days = key.family.rotationDays
    if (days === null) return { KeyId: key.arn, KeyRotationEnabled: false }
    const next = new Date(Date.now() + days * DAY_MS)
    return {
      KeyId: key.arn,
      KeyRotationEnabled: true,
      RotationPeriodInDays: days,
      NextRotationDate: epochSeconds(next),
    }
  },

  ListKeyRotations(request) {
    const key = rotatableKey(request)
    requireNotPending(key)
    const rotations = key.family.materials.flatMap(({ id, rotatedAt }) =>
      rotatedAt === null
        ? []
        : {
            KeyId: key.arn,
            KeyMaterialId: id,
            RotationDate: epochSeconds(rotatedAt),
            RotationType: 'ON_DEMAND',
          },
    )
    return page(request.input, 'Rotations', rotations, 100)
  },
}

function rotatableKey(request: KmsRequest): Key {
  const key = findKey(request, text(request.input, 'KeyId'), 'no aliases')
  authorize(request, key)
  if (key.family.spec === 'SYMMETRIC_DEFAULT') return key
  throw unsupported(`${key.arn} is not a symmetric encryption key.`)
}

function requirePrimary({ arn, region, family }: Key): void {
  if (region === family.primaryRegion) return
  throw unsupported(`${arn} is a replica: rotation is a matter of its primary key.`)
}
