import { keyIdBytes, u32 } from '../bytes'
import type { KeyContext } from './provider'

/**
 * The parts of C, in the order that every derivation and wrap binds them.
 *
 * @see docs/format.md "Keys": C = (use, domain, purpose, id, u32(version))
 */
export function contextParts(context: KeyContext): (string | Buffer)[] {
  const { use, domain, purpose, id, version } = context
  return [use, domain, purpose, keyIdBytes(id), u32(version)]
}
