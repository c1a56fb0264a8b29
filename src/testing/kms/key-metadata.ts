import type { Account } from './account'
import { epochSeconds } from './epoch-seconds'
import { currentMaterial, type Key } from './key'

/** The KeyMetadata structure of DescribeKey. */
export function keyMetadata(account: Account, key: Key): object {
  const { family } = key
  return {
    AWSAccountId: account.id,
    KeyId: key.keyId,
    Arn: key.arn,
    CreationDate: epochSeconds(key.createdAt),
    Enabled: key.enabled,
    Description: key.description,
    KeyUsage: family.usage,
    KeyState: keyState(key),
    ...(key.deletion && { DeletionDate: epochSeconds(key.deletion.date) }),
    Origin: 'AWS_KMS',
    KeyManager: 'CUSTOMER',
    KeySpec: family.spec,
    CustomerMasterKeySpec: family.spec,
    ...(family.usage === 'ENCRYPT_DECRYPT' && { EncryptionAlgorithms: encryptionAlgorithms(key) }),
    MultiRegion: family.multiRegion,
    ...(family.multiRegion && { MultiRegionConfiguration: multiRegion(account, key) }),
    ...(family.spec === 'SYMMETRIC_DEFAULT' && {
      CurrentKeyMaterialId: currentMaterial(family).id,
    }),
  }
}

function keyState({ enabled, deletion }: Key): string {
  if (deletion !== null) return 'PendingDeletion'
  return enabled ? 'Enabled' : 'Disabled'
}

function encryptionAlgorithms({ family }: Key): string[] {
  return family.spec === 'RSA_2048'
    ? ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256']
    : ['SYMMETRIC_DEFAULT']
}

function multiRegion(account: Account, { family, region }: Key): object {
  const keys = account.regions().flatMap(({ keys }) => keys.get(family.keyId) ?? [])
  const described = keys.map((key) => ({ Arn: key.arn, Region: key.region }))
  return {
    MultiRegionKeyType: region === family.primaryRegion ? 'PRIMARY' : 'REPLICA',
    PrimaryKey: described.find(({ Region }) => Region === family.primaryRegion),
    ReplicaKeys: described.filter(({ Region }) => Region !== family.primaryRegion),
  }
}
