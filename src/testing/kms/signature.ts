import { equalConstantTime, hmacSha256, sha256 } from '../../crypto/hash'
import type { Caller } from './account'
import {
  type Authorization,
  headerText,
  incomplete,
  readAuthorization,
  SIGNING_ALGORITHM,
  type SignedRequest,
} from './authorization'
import { KmsError } from './kms-error'

const MAX_SKEW_MS = 300_000
const AMZ_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
/** What decides over the meaning of a request must be signed. */
const MUST_BE_SIGNED = ['host', 'x-amz-date', 'x-amz-target', 'x-amz-security-token']

/**
 * Checks AWS Signature Version 4 in the Authorization header.
 *
 * @param callerOf - finds a caller by its access key id
 * @param now - milliseconds since 1970
 * @returns the caller, and the Region that it signed for
 * @throws MissingAuthenticationTokenException, IncompleteSignatureException,
 * UnrecognizedClientException, InvalidSignatureException, as AWS does
 * @see AWS IAM user guide, "Create a signed AWS API request"
 */
export function verifySignature(
  request: SignedRequest,
  callerOf: (accessKeyId: string) => Caller | undefined,
  now: number,
): { caller: Caller; region: string } {
  const authorization = readAuthorization(request)
  checkSignedHeaders(request, authorization)
  const date = headerText(request, 'x-amz-date')
  checkDate(date, authorization.scope[0], now)
  checkScope(authorization)
  const caller = callerOf(authorization.accessKeyId)
  if (caller === undefined) {
    const message = 'The security token included in the request is invalid.'
    throw new KmsError('UnrecognizedClientException', message)
  }
  const expected = sign(request, authorization, date, caller.secretAccessKey)
  if (equalConstantTime(expected, Buffer.from(authorization.signature, 'hex'))) {
    return { caller, region: authorization.scope[1] }
  }
  throw invalid(
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
  )
}

function checkSignedHeaders({ headers }: SignedRequest, { signedHeaders }: Authorization): void {
  for (const name of MUST_BE_SIGNED) {
    if (headers[name] === undefined && name !== 'host') continue
    if (!signedHeaders.includes(name)) {
      throw invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`)
    }
  }
}

function checkDate(date: string, scopeDate: string, now: number): void {
  const [, year, month, day, hour, minute, second] = (AMZ_DATE.exec(date) ?? []).map(Number)
  if (year === undefined) {
    throw incomplete(
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    )
  }
  if (!date.startsWith(scopeDate)) {
    throw invalid('Date in Credential scope does not match the date of X-Amz-Date.')
  }
  const sent = Date.UTC(year, (month as number) - 1, day, hour, minute, second)
  if (sent < now - MAX_SKEW_MS) throw invalid(`Signature expired: ${date} is over 5 min. old`)
  if (sent > now + MAX_SKEW_MS) throw invalid(`Signature not yet current: ${date}`)
}

function checkScope({ scope }: Authorization): void {
  const [, , service, end] = scope
  if (service !== 'kms') throw invalid("Credential should be scoped to correct service: 'kms'.")
  if (end === 'aws4_request') return
  throw invalid("Credential should be scoped with a valid terminator: 'aws4_request'.")
}

function sign(
  request: SignedRequest,
  { scope, signedHeaders }: Authorization,
  date: string,
  secret: string,
): Buffer {
  const canonical = Buffer.from(canonicalRequest(request, signedHeaders), 'latin1')
  const toSign = [SIGNING_ALGORITHM, date, scope.join('/'), sha256(canonical).toString('hex')].join(
    '\n',
  )
  const key = scope.reduce<Buffer>(
    (derived, part) => hmacSha256(derived, Buffer.from(part)),
    Buffer.from(`AWS4${secret}`),
  )
  return hmacSha256(key, Buffer.from(toSign))
}

function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const [path = '/', query = ''] = request.target.split('?')
  const headers = signedHeaders.map((name) => {
    const value = headerText(request, name).trim().replace(/ +/g, ' ')
    return `${name}:${value}\n`
  })
  return [
    request.method,
    path,
    query.split('&').sort().join('&'),
    headers.join(''),
    signedHeaders.join(';'),
    sha256(request.body).toString('hex'),
  ].join('\n')
}

function invalid(message: string): KmsError {
  return new KmsError('InvalidSignatureException', message)
}
