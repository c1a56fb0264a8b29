import { failed } from './failure'
import type { Handle, Pkcs11Library, Pkcs11Module, Pkcs11Package } from './module'
import type { Pkcs11KeyName } from './uri'

/** The HSM key that wraps, and what it and its token can do. */
export interface RootKey {
  readonly handle: Handle
  /** AES key wrap: the token has CKM_AES_KEY_WRAP and the key CKA_WRAP and CKA_UNWRAP. */
  readonly canKeyWrap: boolean
  /** AES-GCM: the token has CKM_AES_GCM and the key CKA_ENCRYPT and CKA_DECRYPT. */
  readonly canGcm: boolean
}

const AES_256_BYTES = 32
const MAX_MATCHES = 2

/**
 * Finds the one key of that name and checks that it is a root key: an AES-256 key that can never
 * leave the token.
 *
 * @throws ERR_KEY_PROVIDER, `state`, where there is no such key, more than one, or not of this kind
 */
export function findRootKey(
  module: Pkcs11Module,
  slot: Handle,
  session: Handle,
  name: Pkcs11KeyName,
  uri: string,
): RootKey {
  const { library, ck } = module
  const handle = onlyOne(findKeys(library, ck, session, name), uri)
  const refuse = (problem: string): never => {
    throw failed(uri, 'state', problem)
  }
  const key = readAttributes(library, ck, session, handle)
  if (key.type !== ck.CKK_AES || key.bytes !== AES_256_BYTES) {
    refuse('the key is not an AES-256 key; make one with CKK_AES and CKA_VALUE_LEN 32')
  }
  if (key.extractable || !key.sensitive) {
    refuse(
      'the key could be read out of the token; make one with CKA_SENSITIVE true and CKA_EXTRACTABLE false, add it as a provider and drop this one',
    )
  }
  const mechanisms = new Set(library.C_GetMechanismList(slot))
  const canKeyWrap = mechanisms.has(ck.CKM_AES_KEY_WRAP) && key.wrap && key.unwrap
  const canGcm = mechanisms.has(ck.CKM_AES_GCM) && key.encrypt && key.decrypt
  if (!canKeyWrap && !canGcm) {
    refuse(
      'the token and the key agree on neither CKM_AES_KEY_WRAP (with CKA_WRAP and CKA_UNWRAP) nor CKM_AES_GCM (with CKA_ENCRYPT and CKA_DECRYPT)',
    )
  }
  return { handle, canKeyWrap, canGcm }
}

function findKeys(
  library: Pkcs11Library,
  ck: Pkcs11Package,
  session: Handle,
  { key, keyId }: Pkcs11KeyName,
): Handle[] {
  const template = [
    { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
    { type: ck.CKA_TOKEN, value: true },
  ]
  const label = key === undefined ? [] : [{ type: ck.CKA_LABEL, value: key }]
  const id = keyId === undefined ? [] : [{ type: ck.CKA_ID, value: Buffer.from(keyId, 'hex') }]
  library.C_FindObjectsInit(session, [...template, ...label, ...id])
  try {
    return library.C_FindObjects(session, MAX_MATCHES)
  } finally {
    library.C_FindObjectsFinal(session)
  }
}

function onlyOne(handles: readonly Handle[], uri: string): Handle {
  const [handle] = handles
  if (handle !== undefined && handles.length === 1) return handle
  throw failed(
    uri,
    'state',
    handle === undefined
      ? 'the token has no such secret key, or the user may not see it; check the label and CKA_ID of the key'
      : 'the token has several secret keys of this name; name one by its CKA_ID (keyId, or id= in the URI)',
  )
}

interface KeyAttributes {
  readonly type: number
  readonly bytes: number
  readonly sensitive: boolean
  readonly extractable: boolean
  readonly wrap: boolean
  readonly unwrap: boolean
  readonly encrypt: boolean
  readonly decrypt: boolean
}

function readAttributes(
  library: Pkcs11Library,
  ck: Pkcs11Package,
  session: Handle,
  handle: Handle,
): KeyAttributes {
  const types = [ck.CKA_KEY_TYPE, ck.CKA_VALUE_LEN, ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE]
  const uses = [ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_ENCRYPT, ck.CKA_DECRYPT]
  const template = [...types, ...uses].map((type) => ({ type }))
  const values = library.C_GetAttributeValue(session, handle, template).map(({ value }) => value)
  const number = (index: number): number => unsigned(values[index])
  const flag = (index: number): boolean => number(index) === 1
  return {
    type: number(0),
    bytes: number(1),
    sensitive: flag(2),
    extractable: flag(3),
    wrap: flag(4),
    unwrap: flag(5),
    encrypt: flag(6),
    decrypt: flag(7),
  }
}

/** A C integer in the machine's byte order, little-endian on all that Node runs PKCS#11 modules on. */
function unsigned(value: Buffer | undefined): number {
  return value === undefined || value.length === 0
    ? -1
    : value.readUIntLE(0, Math.min(value.length, 6))
}
