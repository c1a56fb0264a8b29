import { KEY_BYTES, type SecretKey, secretKey } from '../../crypto/secret-key'
import { randomBlob, randomHex, randomUuid } from '../random'
import { kmsArn } from './arn'
import type { Grant } from './grant'

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

/** Kinds of keys that can be made. */
export const KEY_SPECS = ['SYMMETRIC_DEFAULT', 'RSA_2048', 'HMAC_256'] as const
/** What keys can be made for. */
export const KEY_USAGES = ['ENCRYPT_DECRYPT', 'SIGN_VERIFY', 'GENERATE_VERIFY_MAC'] as const
/** Only `SYMMETRIC_DEFAULT` does anything; the others are there to be refused. */
export type KeySpec = (typeof KEY_SPECS)[number]
/** Only `ENCRYPT_DECRYPT` does anything. */
export type KeyUsage = (typeof KEY_USAGES)[number]

/** What CreateKey, or the caller's test, may choose. */
export interface KeyAttributes {
  /** Id of the account. */
  readonly account: string
  readonly region: string
  readonly owner: string
  readonly description?: string | undefined
  readonly multiRegion?: boolean | undefined
  readonly restricted?: boolean | undefined
  readonly spec?: KeySpec | undefined
  readonly usage?: KeyUsage | undefined
}

/** A new key with its first material. */
export function createKey(attributes: KeyAttributes): Key {
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
  return memberOf(family, attributes)
}

/** A replica in another Region: another ARN and state, the same key id and material. */
export function replicaOf(
  primary: Key,
  attributes: Pick<KeyAttributes, 'account' | 'region' | 'owner' | 'description'>,
): Key {
  return memberOf(primary.family, { ...attributes, restricted: primary.restricted })
}

/** Adds a generation, which encrypts from now on; the earlier ones still decrypt. */
export function rotateMaterial(family: KeyFamily): void {
  family.materials.push(createMaterial(new Date()))
}

/** The material that encrypts. */
export function currentMaterial(family: KeyFamily): Material {
  return family.materials.at(-1) as Material
}

function memberOf(family: KeyFamily, attributes: KeyAttributes): Key {
  const { account, region, owner, description = '', restricted = false } = attributes
  return {
    arn: kmsArn(account, region, `key/${family.keyId}`),
    keyId: family.keyId,
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
}

function createMaterial(rotatedAt: Date | null): Material {
  const bytes = randomBlob(KEY_BYTES)
  const key = secretKey(bytes)
  bytes.fill(0)
  return { id: randomHex(32), key, rotatedAt }
}
