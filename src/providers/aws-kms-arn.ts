import { MortiseError } from '../errors'

/** A KMS key as its ARN names it. */
export interface KmsKeyArn {
  readonly arn: string
  readonly region: string
  /** A UUID, or `mrk-…` for a multi-Region key, which its replicas share. */
  readonly id: string
}

/** The scheme of the provider's URIs: `aws-kms:` and the key's ARN. */
const SCHEME = 'aws-kms:'
const KEY_ID = '(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})'
const ALIAS = 'alias/[A-Za-z0-9/_-]{1,250}'
const ARN_OF_REGION = 'arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:'
const KEY_ARN = new RegExp(`^${ARN_OF_REGION}key/(${KEY_ID})$`)
const ALIAS_ARN = new RegExp(`^${ARN_OF_REGION}${ALIAS}$`)
const NAME = new RegExp(`^(?:${KEY_ID}|${ALIAS})$`)

/** @returns null for anything but the ARN of a key, such as an alias */
export function parseKeyArn(text: string): KmsKeyArn | null {
  const [arn, region, id] = KEY_ARN.exec(text) ?? []
  return arn !== undefined && region !== undefined && id !== undefined ? { arn, region, id } : null
}

/** The key that a stored URI names, or null where it is not one of AWS KMS. */
export function parseKmsUri(uri: string): KmsKeyArn | null {
  return uri.startsWith(SCHEME) ? parseKeyArn(uri.slice(SCHEME.length)) : null
}

/** The URI that is stored beside the wraps of a key. */
export function kmsUri(key: string): string {
  return `${SCHEME}${key}`
}

/** The Region that a key's or an alias's ARN names, or null for a name without one. */
export function regionOf(keyId: string): string | null {
  return (KEY_ARN.exec(keyId) ?? ALIAS_ARN.exec(keyId))?.[1] ?? null
}

/**
 * Checks the four ways to name a key, so that a forgotten `alias/` is noticed at once.
 *
 * @throws ERR_CONFIG for any other text
 */
export function checkKmsKeyId(keyId: unknown): string {
  if (typeof keyId === 'string' && (NAME.test(keyId) || regionOf(keyId) !== null)) return keyId
  throw new MortiseError(
    'ERR_CONFIG',
    "keyId of awsKmsKeyProvider must be a KMS key's ARN, its id (a UUID or mrk-…), an alias ARN, or an alias name that begins with alias/",
  )
}

/** The same multi-Region key, here or in another Region: what one wrapped, the other opens. */
export function areReplicas(one: KmsKeyArn, other: KmsKeyArn): boolean {
  return one.id.startsWith('mrk-') && one.id === other.id
}
