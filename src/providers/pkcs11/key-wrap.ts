import { equalConstantTime } from '../../crypto/hash'
import { KEY_BYTES } from '../../crypto/secret-key'
import type { Handle, Pkcs11Module } from './module'

/** A session with everything that a mechanism needs besides its input. */
export interface TokenSession {
  readonly module: Pkcs11Module
  readonly session: Handle
  readonly rootKey: Handle
}

const BINDING_BYTES = 32
/** A wrapped key: 32 bytes of key, 32 of binding, 8 of RFC 3394. */
export const KEY_WRAP_BYTES: number = KEY_BYTES + BINDING_BYTES + 8

/**
 * AES key wrap of `key | binding` by the token.
 *
 * The 64 bytes pass through the token as a temporary session object, because C_WrapKey wraps objects
 * only. It is readable, as it must be, and destroyed at once.
 *
 * @param binding - SHA-256 of the encoded context; AES-KW has no associated data
 * @see docs/format.md "Keys": PKCS#11 wrap; RFC 3394
 */
export async function wrapByKeyWrap(
  { module, session, rootKey }: TokenSession,
  key: Uint8Array,
  binding: Uint8Array,
): Promise<Buffer> {
  const { library, ck } = module
  const value = Buffer.allocUnsafeSlow(KEY_BYTES + BINDING_BYTES)
  value.set(key, 0)
  value.set(binding, KEY_BYTES)
  let object: Handle
  try {
    object = library.C_CreateObject(session, [
      ...temporarySecret(module),
      { type: ck.CKA_VALUE, value },
    ])
  } finally {
    value.fill(0)
  }
  try {
    const mechanism = { mechanism: ck.CKM_AES_KEY_WRAP }
    const room = Buffer.allocUnsafeSlow(KEY_WRAP_BYTES)
    return await library.C_WrapKeyAsync(session, mechanism, rootKey, object, room)
  } finally {
    destroy(module, session, object)
  }
}

/**
 * Inverse of {@link wrapByKeyWrap}.
 *
 * @returns 32 bytes, or `null` where what was wrapped has another length or binding
 */
export async function unwrapByKeyWrap(
  { module, session, rootKey }: TokenSession,
  wrapped: Uint8Array,
  binding: Uint8Array,
): Promise<Buffer | null> {
  const { library, ck } = module
  // A copy that is still used after the call: pkcs11js gives its thread a bare pointer.
  const input = Buffer.from(wrapped)
  let object: Handle
  try {
    const mechanism = { mechanism: ck.CKM_AES_KEY_WRAP }
    const template = temporarySecret(module)
    object = await library.C_UnwrapKeyAsync(session, mechanism, rootKey, input, template)
  } finally {
    input.fill(0)
  }
  try {
    const [attribute] = library.C_GetAttributeValue(session, object, [{ type: ck.CKA_VALUE }])
    return openBinding(attribute?.value ?? Buffer.alloc(0), binding)
  } finally {
    destroy(module, session, object)
  }
}

/** Takes the key out of `key | binding` and zeroes what it came in. */
function openBinding(value: Buffer, binding: Uint8Array): Buffer | null {
  try {
    if (value.length !== KEY_BYTES + BINDING_BYTES) return null
    if (!equalConstantTime(value.subarray(KEY_BYTES), binding)) return null
    const key = Buffer.allocUnsafeSlow(KEY_BYTES)
    value.copy(key, 0, 0, KEY_BYTES)
    return key
  } finally {
    value.fill(0)
  }
}

function temporarySecret({ ck }: Pkcs11Module): { type: number; value: number | boolean }[] {
  return [
    { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
    { type: ck.CKA_KEY_TYPE, value: ck.CKK_GENERIC_SECRET },
    { type: ck.CKA_TOKEN, value: false },
    { type: ck.CKA_PRIVATE, value: true },
    { type: ck.CKA_SENSITIVE, value: false },
    { type: ck.CKA_EXTRACTABLE, value: true },
  ]
}

/** What is left behind where this fails dies with its session. */
function destroy({ library }: Pkcs11Module, session: Handle, object: Handle): void {
  try {
    library.C_DestroyObject(session, object)
  } catch {
    // The operation's own result or error says more.
  }
}
