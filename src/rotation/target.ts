import type { Keyring } from '../keys/keyring'
import { type EncryptedSchema, schemaOf } from '../schema'

/**
 * What a verb works on: a keyring, or an encrypted DataSource, which brings its tables along.
 *
 * @throws ERR_CONFIG for a target that is neither
 */
export function targetOf(target: object): { schema?: EncryptedSchema; keyring: Keyring } {
  if ('ready' in target) return { keyring: target as Keyring }
  const schema = schemaOf(target)
  return { schema, keyring: schema.keyring }
}
