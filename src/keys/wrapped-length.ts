import { MortiseError } from '../errors'
import { MAX_WRAPPED_BYTES } from '../providers/provider'

/**
 * Checks the length of what a provider wrapped, before it is stored.
 *
 * @param what - for the error
 * @throws ERR_KEY_PROVIDER unless it is 1 to 1024 bytes
 */
export function checkWrappedLength(wrapped: Uint8Array, what: string, uri: string): void {
  if (wrapped.length >= 1 && wrapped.length <= MAX_WRAPPED_BYTES) return
  throw new MortiseError(
    'ERR_KEY_PROVIDER',
    `${uri} returned ${what} of ${wrapped.length} bytes; 1 to ${MAX_WRAPPED_BYTES} are allowed`,
  )
}
