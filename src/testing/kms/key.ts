import { KEY_BYTES, type SecretKey, secretKey } from '../../crypto/secret-key'
import { randomBlob, randomHex, randomUuid } from '../random'
import { type Account, kmsArn } from './account'
import type { Grant } from './grant'
import { KmsError } from './kms-error'

/** One generation of a key's material. Blobs name it by its number. */
export interface Material {
  /** 64 hex digits. */
  readonly id: string
  readonly key: SecretKey
  /** When it replaced its predecessor; null for the first one. */
  readonly rotatedAt: Date | null
}

/** What a multi-Region key's primary and replicas share; a single-Region key has one of its own. */
export interface KeyFamily {
  readonly keyId: string
  readonly multiRegion: boolean
  readonly primaryRegion: string
  readonly materials: Material[]
  readonly spec: KeySpec
  readonly usage: KeyUsage
  /** Days between automatic rotations, which never become due here; null where they are off. */
  rotationDays: number | null
}

/** A key in one Region. */
export interface Key {
  readonly arn: string
  readonly keyId: string
  readonly region: string
  readonly family: KeyFamily
  readonly description: string
  readonly createdAt: Date
  /** ARN of the caller that made it. */
  readonly owner: string
  /** Whether only the owner and grantees may use it, rather than every caller of the account. */
  readonly restricted: boolean
  readonly grants: Map<string, Grant>
  enabled: boolean
  deletion: { readonly date: Date; readonly windowDays: number } | null
}

export const KEY_SPECS = ['SYMMETRIC_DEFAULT', 'RSA_2048', 'HMAC_256'] as const
export const KEY_USAGES = ['ENCRYPT_DECRYPT', 'SIGN_VERIFY', 'GENERATE_VERIFY_MAC'] as const
/** Only `SYMMETRIC_DEFAULT` does anything; the others are there to be refused. */
export type KeySpec = (typeof KEY_SPECS)[number]
export type KeyUsage = (typeof KEY_USAGES)[number]

/** What CreateKey, or the caller's test, may choose. */
export interface KeyAttributes {
  readonly region: string
  readonly owner: string
  readonly description?: string | undefined
  readonly multiRegion?: boolean | undefined
  readonly restricted?: boolean | undefined
  readonly spec?: KeySpec | undefined
  readonly usage?: KeyUsage | undefined
}

/** A new key with its first material. */
export function createKey(account: Account, attributes: KeyAttributes): Key {
  const { region, multiRegion = false, spec = 'SYMMETRIC_DEFAULT' } = attributes
  const { usage = spec === 'HMAC_256' ? 'GENERATE_VERIFY_MAC' : 'ENCRYPT_DECRYPT' } = attributes
  const family: KeyFamily = {
    // The prefix is how AWS tells multi-Region keys apart, and how a reader of ARNs does.
    keyId: multiRegion ? `mrk-${randomHex(16)}` : randomUuid(),
    multiRegion,
    primaryRegion: region,
    materials: [createMaterial(null)],
    spec,
    usage,
    rotationDays: null,
  }
  return addKey(account, family, attributes)
}

/** A replica in another Region: another ARN and state, the same key id and material. */
export function replicateKey(
  account: Account,
  primary: Key,
  replica: { region: string; owner: string; description?: string | undefined },
): Key {
  if (account.region(replica.region).keys.has(primary.keyId)) {
    throw new KmsError(
      'AlreadyExistsException',
      `${primary.keyId} already exists in ${replica.region}`,
    )
  }
  return addKey(account, primary.family, { ...replica, restricted: primary.restricted })
}

/** Adds a generation, which encrypts from now on; the earlier ones still decrypt. */
export function rotateMaterial(family: KeyFamily): void {
  family.materials.push(createMaterial(new Date()))
}

/** The material that encrypts. */
export function currentMaterial(family: KeyFamily): Material {
  return family.materials.at(-1) as Material
}

function addKey(account: Account, family: KeyFamily, attributes: KeyAttributes): Key {
  const { region, owner, description = '', restricted = false } = attributes
  const { keyId } = family
  const key: Key = {
    arn: kmsArn(account, region, `key/${keyId}`),
    keyId,
    region,
    family,
    description,
    createdAt: new Date(),
    owner,
    restricted,
    grants: new Map(),
    enabled: true,
    deletion: null,
  }
  account.region(region).keys.set(keyId, key)
  return key
}

function createMaterial(rotatedAt: Date | null): Material {
  const bytes = randomBlob(KEY_BYTES)
  const key = secretKey(bytes)
  bytes.fill(0)
  return { id: randomHex(32), key, rotatedAt }
}
