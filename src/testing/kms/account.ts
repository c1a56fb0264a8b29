import type { Key } from './key'
import { KmsError } from './kms-error'

/** Somebody who signs requests. */
export interface Caller {
  readonly arn: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** An alias of one Region. */
export interface Alias {
  readonly name: string
  readonly arn: string
  /** Key id. */
  readonly target: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** Everything that one Region holds. */
export interface Region {
  readonly name: string
  readonly keys: Map<string, Key>
  readonly aliases: Map<string, Alias>
}

/** The whole state of an emulator. */
export interface Account {
  readonly id: string
  region(name: string): Region
  regions(): Region[]
}

const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/

/** An account without keys. */
export function createAccount(id: string): Account {
  const regions = new Map<string, Region>()
  return {
    id,
    regions: () => [...regions.values()],
    region: (name) => {
      const region = regions.get(name) ?? { name, keys: new Map(), aliases: new Map() }
      regions.set(checkRegion(name), region)
      return region
    },
  }
}

/**
 * Adds a key to its Region.
 *
 * @throws AlreadyExistsException where the Region has a related multi-Region key
 */
export function addKey(account: Account, key: Key): Key {
  const { keys } = account.region(key.region)
  if (keys.has(key.keyId)) {
    throw new KmsError('AlreadyExistsException', `${key.arn} already exists`)
  }
  keys.set(key.keyId, key)
  return key
}

function checkRegion(name: string): string {
  if (REGION.test(name)) return name
  throw new KmsError('ValidationException', `${name} is not a Region`)
}
