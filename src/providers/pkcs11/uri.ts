import { fileURLToPath } from 'node:url'
import { MortiseError } from '../../errors'

/** The key that a PKCS#11 URI names: what is stored beside a wrap, and nothing that may change. */
export interface Pkcs11KeyName {
  /** CKA label of the token. */
  readonly token: string
  /** CKA_LABEL of the key. */
  readonly key?: string | undefined
  /** CKA_ID of the key, as hex digits. */
  readonly keyId?: string | undefined
}

/** A parsed PKCS#11 URI: a key, and where its module and its PIN are. */
export interface Pkcs11Uri extends Pkcs11KeyName {
  /** From `module-path`. */
  readonly module?: string | undefined
  /** From `pin-source`: the path of a file that holds the PIN. */
  readonly pinFile?: string | undefined
}

const SCHEME = 'pkcs11:'
const PATH_ATTRIBUTES = ['token', 'object', 'id', 'type']
const QUERY_ATTRIBUTES = ['module-path', 'pin-source']
/** Attributes that RFC 7512 knows and mortise does not: only these are named in an error. */
const OTHER_ATTRIBUTES =
  /^(manufacturer|serial|model|library-(manufacturer|version|description)|slot-(manufacturer|description|id)|module-name)$/
/** CK_TOKEN_INFO has 32 bytes for the label. */
const MAX_TOKEN_BYTES = 32
const MAX_KEY_BYTES = 255

/**
 * Reads `pkcs11:token=…;object=…;id=…;type=secret-key?module-path=…&pin-source=file:…`.
 *
 * Only attributes that name one key are accepted: one that was ignored could make two different URIs
 * mean the same key, or the other way round.
 *
 * @returns what the URI says, percent-decoded
 * @throws ERR_CONFIG for anything else, and for `pin-value`: a PIN in a URI ends in logs. No part of
 * the URI is repeated in the message
 * @see RFC 7512 section 2.3
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  if (typeof uri !== 'string' || !uri.startsWith(SCHEME) || !/^[\x21-\x7e]+$/.test(uri)) {
    throw refuse("must begin with 'pkcs11:' and be printable ASCII without space")
  }
  if (/pin-value/i.test(decodeLoosely(uri))) {
    throw refuse('must not hold a pin-value: use pin-source=file:… or the option pin')
  }
  if (uri.includes('#')) throw refuse("has no fragment; write a '#' in a name as %23")
  const [path = '', query, ...rest] = uri.slice(SCHEME.length).split('?')
  if (rest.length > 0) throw refuse("has one '?'")
  const named = readAttributes(path, ';', PATH_ATTRIBUTES)
  const located = readAttributes(query ?? '', '&', QUERY_ATTRIBUTES)
  return { ...keyName(named), ...place(located) }
}

/**
 * The canonical URI of a key: `pkcs11:token=…`, then `;object=…`, then `;id=…`, where everything
 * but unreserved characters is percent-encoded. Never a query.
 */
export function formatPkcs11Uri(name: Pkcs11KeyName): string {
  const { token, key, keyId } = checkKeyName(name)
  const parts = [`token=${encode(token)}`]
  if (key !== undefined) parts.push(`object=${encode(key)}`)
  if (keyId !== undefined) parts.push(`id=${keyId.toUpperCase().replace(/../g, '%$&')}`)
  return SCHEME + parts.join(';')
}

/** @throws ERR_CONFIG for a name that no token or key can have */
function checkKeyName(name: Pkcs11KeyName): Pkcs11KeyName {
  const { token, key, keyId } = name
  checkLabel(token, 'token', MAX_TOKEN_BYTES)
  if (key === undefined && keyId === undefined) {
    throw refuse('must name the key: object (its label), id (its CKA_ID), or both')
  }
  if (key !== undefined) checkLabel(key, 'object', MAX_KEY_BYTES)
  if (keyId !== undefined && !/^([0-9a-f]{2}){1,255}$/i.test(keyId)) {
    throw refuse('has an id that is not a CKA_ID of 1 to 255 bytes')
  }
  return { token, key, keyId: keyId?.toLowerCase() }
}

function checkLabel(value: unknown, what: string, maxBytes: number): void {
  const text = typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
  if (!text || value === '' || Buffer.byteLength(value) > maxBytes) {
    throw refuse(`must have a ${what} of 1 to ${maxBytes} bytes of UTF-8`)
  }
}

function keyName(attributes: ReadonlyMap<string, Buffer>): Pkcs11KeyName {
  const type = attributes.get('type')
  if (type !== undefined && type.toString() !== 'secret-key') throw refuse('has type=secret-key')
  const token = attributes.get('token')
  if (token === undefined) throw refuse('must name the token: token=…')
  const key = attributes.get('object')
  return checkKeyName({
    token: text(token, 'token'),
    key: key && text(key, 'object'),
    keyId: attributes.get('id')?.toString('hex'),
  })
}

function place(attributes: ReadonlyMap<string, Buffer>): Pick<Pkcs11Uri, 'module' | 'pinFile'> {
  const module = attributes.get('module-path')
  const source = attributes.get('pin-source')
  return {
    module: module && text(module, 'module-path'),
    pinFile: source && pinFile(text(source, 'pin-source')),
  }
}

/** A path, or a `file:` URI of one. RFC 7512 also allows `|program`, which is never run. */
function pinFile(source: string): string {
  if (source.startsWith('/')) return source
  try {
    return fileURLToPath(source)
  } catch {
    throw refuse('has a pin-source that is neither file:/path nor an absolute path')
  }
}

function readAttributes(
  text: string,
  separator: string,
  known: readonly string[],
): ReadonlyMap<string, Buffer> {
  const attributes = new Map<string, Buffer>()
  for (const part of text.split(separator).filter(Boolean)) {
    const equals = part.indexOf('=')
    const name = part.slice(0, Math.max(equals, 0))
    if (!known.includes(name)) throw notKnown(name)
    if (attributes.has(name)) throw refuse(`has ${name} twice`)
    attributes.set(name, decode(part.slice(equals + 1), name))
  }
  return attributes
}

function notKnown(name: string): MortiseError {
  return refuse(
    OTHER_ATTRIBUTES.test(name)
      ? `must not have the attribute ${name}: a key is named by token, object and id`
      : 'has an attribute that is not known, or without a value',
  )
}

function decode(value: string, name: string): Buffer {
  if (/%(?![0-9A-Fa-f]{2})/.test(value)) throw refuse(`has a '%' in ${name} without two hex digits`)
  const latin1 = value.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(latin1, 'latin1')
}

/** For the search for `pin-value` in any spelling. */
function decodeLoosely(uri: string): string {
  return uri.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

function text(bytes: Buffer, name: string): string {
  const decoded = bytes.toString('utf8')
  if (!Buffer.from(decoded, 'utf8').equals(bytes)) throw refuse(`has a ${name} that is not UTF-8`)
  return decoded
}

/** Percent-encodes all but the unreserved characters of RFC 3986 section 2.3. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function refuse(problem: string): MortiseError {
  return new MortiseError('ERR_CONFIG', `a PKCS#11 URI ${problem} (RFC 7512)`)
}
