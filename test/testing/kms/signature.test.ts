import { EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { beforeAll, describe, expect, it } from 'vitest'
import type { SignedRequest } from '../../../src/testing/kms/authorization'
import { verifySignature } from '../../../src/testing/kms/signature'
import { runEmulator } from './running'

const CALLER = {
  arn: 'arn:aws:iam::111122223333:user/app',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const running = runEmulator()
let request: SignedRequest

beforeAll(async () => {
  request = await signedByRealClient('eu-west-3')
})

/** What the AWS client would send. */
async function signedByRealClient(region: string): Promise<SignedRequest> {
  let sent: { method: string; path: string; headers: Record<string, string>; body: Uint8Array }
  const client = new KMSClient({
    endpoint: 'http://127.0.0.1:1',
    region,
    credentials: CALLER,
    maxAttempts: 1,
    requestHandler: {
      handle: async (http: unknown) => {
        sent = http as typeof sent
        throw new Error('not sent')
      },
    } as never,
  })
  const command = new EncryptCommand({ KeyId: 'alias/x', Plaintext: Buffer.of(1) })
  await client.send(command).catch(() => {})
  const { method, path, headers, body } = sent!
  const lowerCase = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  return {
    method,
    target: path,
    headers: Object.fromEntries(lowerCase),
    body: Buffer.concat([body]),
  }
}

function verify(change: Partial<SignedRequest> = {}, now = Date.now()) {
  const callerOf = (id: string) => (id === CALLER.accessKeyId ? CALLER : undefined)
  return verifySignature({ ...request, ...change }, callerOf, now)
}

function withHeader(name: string, value: string | undefined): Partial<SignedRequest> {
  return { headers: { ...request.headers, [name]: value } }
}

/** With another Authorization header. */
function authorized(pattern: RegExp | string, replacement: string): Partial<SignedRequest> {
  const header = String(request.headers.authorization)
  const changed = header.replace(pattern, replacement)
  expect(changed).not.toBe(header)
  return withHeader('authorization', changed)
}

const refuses = (type: string) => expect.objectContaining({ type, status: 400 })

describe('verifySignature', () => {
  it('finds the caller and Region of what the AWS client signed', () => {
    expect(verify()).toEqual({ caller: CALLER, region: 'eu-west-3' })
  })

  it.each<[string, () => Partial<SignedRequest>]>([
    ['another body', () => ({ body: Buffer.concat([request.body, Buffer.from(' ')]) })],
    ['another method', () => ({ method: 'GET' })],
    ['another path', () => ({ target: '/x' })],
    ['a query string', () => ({ target: '/?Action=Decrypt' })],
    ['another operation', () => withHeader('x-amz-target', 'TrentService.Decrypt')],
    ['another host', () => withHeader('host', 'kms.example.org')],
    ['another Region in the scope', () => authorized('eu-west-3', 'eu-west-1')],
    ['another service', () => authorized('/kms/', '/s3/')],
    ['another end of the scope', () => authorized('aws4_request', 'aws5_request')],
    ['another day in the scope', () => authorized(/\/2\d{7}\//, '/20200101/')],
    ['an unsigned host', () => authorized('host;', '')],
    ['an unsigned operation', () => authorized(';x-amz-target', '')],
    ['an unsigned session token', () => withHeader('x-amz-security-token', 'token')],
    ['another signature', () => authorized(/Signature=\w{8}/, 'Signature=00000000')],
    ['half a signature', () => authorized(/\w{32}$/, '')],
  ])('refuses %s', (_what, change) => {
    expect(() => verify(change())).toThrow(refuses('InvalidSignatureException'))
  })

  it('refuses a signature that is 5 minutes old, or of the future', () => {
    const signed = Date.now()
    expect(() => verify({}, signed + 290_000)).not.toThrow()
    expect(() => verify({}, signed + 310_000)).toThrow('Signature expired')
    expect(() => verify({}, signed - 310_000)).toThrow('Signature not yet current')
  })

  it('refuses a caller that it does not know', () => {
    const change = authorized(CALLER.accessKeyId, 'AKIAUNKNOWN')
    expect(() => verify(change)).toThrow(refuses('UnrecognizedClientException'))
  })

  it('refuses a request without a signature', () => {
    const change = withHeader('authorization', undefined)
    expect(() => verify(change)).toThrow(refuses('MissingAuthenticationTokenException'))
  })

  it.each<[string, () => Partial<SignedRequest>]>([
    ['another algorithm', () => authorized('AWS4-HMAC-SHA256', 'AWS4-HMAC-MD5')],
    ['no credential', () => authorized('Credential=', 'Credentials=')],
    ['a short credential', () => authorized('/kms', '')],
    ['no signed headers', () => authorized('SignedHeaders=', 'Headers=')],
    ['no signature', () => authorized(/Signature=\w+/, 'Signature=')],
    ['no date', () => withHeader('x-amz-date', undefined)],
    ['a malformed date', () => withHeader('x-amz-date', 'today')],
  ])('refuses %s as incomplete', (_what, change) => {
    expect(() => verify(change())).toThrow(refuses('IncompleteSignatureException'))
  })
})

describe('the emulator', () => {
  it('answers errors of the protocol as AWS does', async () => {
    const response = await fetch(running.kms.url, { method: 'POST', body: '{}' })
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/x-amz-json-1.1')
    expect(response.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException')
    expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await response.json()).toEqual({
      __type: 'MissingAuthenticationTokenException',
      message: 'Missing Authentication Token',
    })
    expect(running.kms.calls).toMatchObject([
      { outcome: 'MissingAuthenticationTokenException', caller: '', region: '' },
    ])
  })

  it('refuses the client of another emulator', async () => {
    const client = new KMSClient({
      ...running.kms.clientConfig,
      credentials: CALLER,
      maxAttempts: 1,
    })
    const command = new EncryptCommand({ KeyId: 'alias/x', Plaintext: Buffer.of(1) })
    await expect(client.send(command)).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    })
    client.destroy()
  })
})
