import { encodeParts } from '../../bytes'
import { sha256 } from '../../crypto/hash'
import { KEY_BYTES } from '../../crypto/secret-key'
import { contextParts } from '../context'
import type { KeyContext } from '../provider'
import { ckrName, failed } from './failure'
import { GCM_WRAP_BYTES, unwrapByGcm, wrapByGcm } from './gcm-wrap'
import { KEY_WRAP_BYTES, type TokenSession, unwrapByKeyWrap, wrapByKeyWrap } from './key-wrap'
import type { Handle, Pkcs11Module } from './module'
import type { RootKey } from './root-key'

/** Part of every wrap; cannot change without a new format version. */
const LABEL = 'mortise/1/context'

/** One mechanism, bound to a context. */
interface Wrapping {
  wrap(key: Uint8Array): Promise<Buffer>
  unwrap(wrapped: Uint8Array): Promise<Buffer | null>
}

/** What an operation runs with: a session that nobody else uses, and the key it found. */
export interface Token {
  readonly uri: string
  readonly module: Pkcs11Module
  readonly session: Handle
  readonly rootKey: RootKey
}

/**
 * Wraps a key, by AES key wrap wherever the token and the key can.
 *
 * @throws ERR_KEY_PROVIDER where the token made something that cannot be its wrap
 */
export async function wrapByToken(
  token: Token,
  key: Uint8Array,
  context: KeyContext,
): Promise<Buffer> {
  const { rootKey, uri } = token
  const wrapped = await wrapping(token, rootKey.canKeyWrap, context).wrap(key)
  if (wrapped.length === (rootKey.canKeyWrap ? KEY_WRAP_BYTES : GCM_WRAP_BYTES)) return wrapped
  throw failed(uri, 'state', `the token made a wrap of ${wrapped.length} bytes; see its mechanisms`)
}

/**
 * Unwraps what {@link wrapByToken} made; the length tells by which mechanism.
 *
 * @throws ERR_KEY_INTEGRITY where the wrap was not made by this key under this context; also where it
 * has the length of a mechanism that the key may not use, since then it cannot have made it
 */
export async function unwrapByToken(
  token: Token,
  wrapped: Uint8Array,
  context: KeyContext,
): Promise<Buffer> {
  const byKeyWrap = wrapped.length === KEY_WRAP_BYTES
  if (!byKeyWrap && wrapped.length !== GCM_WRAP_BYTES) throw notThisWrap(token.uri, context)
  if (!(byKeyWrap ? token.rootKey.canKeyWrap : token.rootKey.canGcm)) {
    const mechanism = byKeyWrap ? 'CKM_AES_KEY_WRAP' : 'CKM_AES_GCM'
    throw notThisWrap(token.uri, context, `, or the key may no longer use ${mechanism}`)
  }
  const chosen = wrapping(token, byKeyWrap, context)
  let key: Buffer | null
  try {
    key = await chosen.unwrap(wrapped)
  } catch (error) {
    if (!(await isForged(error, chosen))) throw error
    key = null
  }
  if (key === null) throw notThisWrap(token.uri, context)
  return key
}

/**
 * Some tokens answer a forged wrap with CKR_GENERAL_ERROR, as they do a fault of their own. It was
 * forged if the same session wraps and unwraps another key right afterwards.
 *
 * @throws what the session answers, where it is of no use any more
 */
async function isForged(error: unknown, { wrap, unwrap }: Wrapping): Promise<boolean> {
  if (ckrName(error) !== 'CKR_GENERAL_ERROR') return false
  const canary = Buffer.alloc(KEY_BYTES)
  return (await unwrap(await wrap(canary)))?.equals(canary) ?? false
}

function wrapping(token: Token, byKeyWrap: boolean, context: KeyContext): Wrapping {
  const { module, session, rootKey } = token
  const place: TokenSession = { module, session, rootKey: rootKey.handle }
  const encoded = encodeParts(LABEL, ...contextParts(context))
  if (!byKeyWrap) {
    return {
      wrap: (key) => wrapByGcm(place, key, encoded),
      unwrap: (wrapped) => unwrapByGcm(place, wrapped, encoded),
    }
  }
  const binding = sha256(encoded)
  return {
    wrap: (key) => wrapByKeyWrap(place, key, binding),
    unwrap: (wrapped) => unwrapByKeyWrap(place, wrapped, binding),
  }
}

function notThisWrap(uri: string, context: KeyContext, otherwise = ''): Error {
  const { id, domain, purpose, version } = context
  const problem = `key ${id} (domain ${domain}, ${purpose}, version ${version}) does not open: another key of the token wrapped it, or the stored wrap or its identity was changed${otherwise}; restore the key store, or configure the key that wrapped it`
  return failed(uri, 'integrity', problem)
}
