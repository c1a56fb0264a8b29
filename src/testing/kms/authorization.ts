import { KmsError } from './kms-error'

/** An HTTP request, as far as its signature covers it. */
export interface SignedRequest {
  readonly method: string
  /** Path and query string as sent. */
  readonly target: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Who signed a request, for what, and how. */
export interface Authorization {
  readonly accessKeyId: string
  /** `DATE/REGION/kms/aws4_request`. */
  readonly scope: readonly [date: string, region: string, service: string, end: string]
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

/** The only algorithm of Signature Version 4 that KMS clients use. */
export const SIGNING_ALGORITHM = 'AWS4-HMAC-SHA256'

/**
 * Reads the Authorization header.
 *
 * @throws MissingAuthenticationTokenException, IncompleteSignatureException
 */
export function readAuthorization(request: SignedRequest): Authorization {
  const header = headerText(request, 'authorization')
  if (header === '') {
    throw new KmsError('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  const [algorithm, ...rest] = header.split(' ')
  if (algorithm !== SIGNING_ALGORITHM) {
    throw incomplete(`Unsupported AWS 'algorithm': '${algorithm}'`)
  }
  const fields = readFields(rest.join(''))
  const [accessKeyId, ...scope] = field(fields, 'Credential').split('/')
  if (scope.length !== 4) throw incomplete('Credential must have exactly 5 elements.')
  return {
    accessKeyId: accessKeyId as string,
    scope: scope as [string, string, string, string],
    signedHeaders: field(fields, 'SignedHeaders').split(';'),
    signature: field(fields, 'Signature'),
  }
}

/** `Name=value` pairs; a value may hold `=` itself. */
function readFields(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(',').map((pair) => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at), pair.slice(at + 1)] as const
  })
  return new Map(pairs)
}

function field(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name) ?? ''
  if (value !== '') return value
  throw incomplete(`Authorization header requires '${name}' parameter.`)
}

/** A header's text; empty where it is absent. */
export function headerText({ headers }: SignedRequest, name: string): string {
  const value = headers[name] ?? ''
  return typeof value === 'string' ? value : value.join(',')
}

/** The error for an Authorization header that lacks something. */
export function incomplete(message: string): KmsError {
  return new KmsError('IncompleteSignatureException', message)
}
