import { IV_BYTES, TAG_BYTES } from '../../crypto/aead'
import { KEY_BYTES } from '../../crypto/secret-key'
import { ckrName } from './failure'
import type { TokenSession } from './key-wrap'
import type { Handle } from './module'

/** IV, ciphertext, tag. Never the length of a key wrap, so the two cannot be confused. */
export const GCM_WRAP_BYTES: number = IV_BYTES + KEY_BYTES + TAG_BYTES

/** What a token answers that makes every IV itself and refuses a given one. */
const IV_REFUSED = ['CKR_MECHANISM_PARAM_INVALID', 'CKR_ARGUMENTS_BAD']

/** CK_GCM_PARAMS as pkcs11js takes it. The token may write an IV of its own into `iv`. */
interface GcmParameter {
  readonly type: number
  readonly iv: Buffer
  readonly ivBits: number
  readonly aad: Buffer
  readonly tagBits: number
}

/**
 * AES-256-GCM of a key by the token, for tokens and keys without AES key wrap.
 *
 * The IV is 96 random bits of the token, which bounds one root key to 2^32 wraps (NIST SP 800-38D
 * 8.3); tokens that insist on an IV of their own write it into the parameter, so it is read back
 * after the call. The parameter is used after it for a second reason: the module keeps pointers into
 * its buffers, which must not be collected before.
 *
 * @param aad - the encoded context
 * @see docs/format.md "Keys": PKCS#11 wrap with AES-GCM
 */
export async function wrapByGcm(
  token: TokenSession,
  key: Uint8Array,
  aad: Buffer,
): Promise<Buffer> {
  const { library } = token.module
  const input = Buffer.allocUnsafeSlow(KEY_BYTES)
  input.set(key)
  try {
    const parameter = beginEncryption(token, aad)
    const room = Buffer.alloc(KEY_BYTES + TAG_BYTES)
    const sealed = await library.C_EncryptAsync(token.session, input, room)
    if (isZero(parameter.iv)) throw new Error('the token returned no IV of its own')
    return Buffer.concat([parameter.iv, sealed])
  } finally {
    input.fill(0)
  }
}

/**
 * Inverse of {@link wrapByGcm}.
 *
 * @returns 32 bytes, or `null` for another length; a tag that does not match is an error of the token
 */
export async function unwrapByGcm(
  token: TokenSession,
  wrapped: Uint8Array,
  aad: Buffer,
): Promise<Buffer | null> {
  const { library, ck } = token.module
  const iv = Buffer.from(wrapped.subarray(0, IV_BYTES))
  const sealed = Buffer.from(wrapped.subarray(IV_BYTES))
  const room = Buffer.allocUnsafeSlow(KEY_BYTES + TAG_BYTES)
  const parameter = gcmParameter(token, iv, aad)
  try {
    library.C_DecryptInit(token.session, { mechanism: ck.CKM_AES_GCM, parameter }, token.rootKey)
    const opened = await library.C_DecryptAsync(token.session, sealed, room)
    if (opened.length !== KEY_BYTES) return null
    const key = Buffer.allocUnsafeSlow(KEY_BYTES)
    opened.copy(key)
    return key
  } finally {
    for (const buffer of [room, sealed, parameter.iv]) buffer.fill(0)
  }
}

/** A zero IV is offered only after a random one was refused, and never accepted back. */
function beginEncryption(token: TokenSession, aad: Buffer): GcmParameter {
  const { library, ck } = token.module
  const begin = (iv: Buffer): GcmParameter => {
    const parameter = gcmParameter(token, iv, aad)
    library.C_EncryptInit(token.session, { mechanism: ck.CKM_AES_GCM, parameter }, token.rootKey)
    return parameter
  }
  try {
    return begin(randomIv(token.module.library, token.session))
  } catch (error) {
    if (!IV_REFUSED.includes(ckrName(error) ?? '')) throw error
    return begin(Buffer.alloc(IV_BYTES))
  }
}

function randomIv(library: TokenSession['module']['library'], session: Handle): Buffer {
  return library.C_GenerateRandom(session, Buffer.alloc(IV_BYTES))
}

function gcmParameter({ module }: TokenSession, iv: Buffer, aad: Buffer): GcmParameter {
  const type = module.ck.CK_PARAMS_AES_GCM_v240
  return { type, iv, ivBits: IV_BYTES * 8, aad, tagBits: TAG_BYTES * 8 }
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0)
}
