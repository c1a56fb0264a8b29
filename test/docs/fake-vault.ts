import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As much of Vault's Transit API as the document's provider uses; never run against the original. */
export interface FakeVault {
  readonly address: string
  close(): void
}

const TOKEN = 's.test'

/** Serves two keys, `one` and `two`, to callers with the token `s.test`. */
export async function startFakeVault(): Promise<FakeVault> {
  const keys = new Map(['one', 'two'].map((name) => [name, randomBytes(32)]))
  const server: Server = createServer(async (request, response) => {
    const { status, body } = answer(keys, request, await bodyOf(request))
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function answer(
  keys: ReadonlyMap<string, Buffer>,
  request: IncomingMessage,
  body: Record<string, string>,
): { status: number; body: object } {
  const [, operation, name] =
    /^\/v1\/transit\/(encrypt|decrypt)\/(\w+)$/.exec(request.url ?? '') ?? []
  const key = keys.get(name ?? '')
  if (request.headers['x-vault-token'] !== TOKEN) return refusal(403, 'permission denied')
  if (key === undefined) return refusal(404, 'no such key')
  const aad = Buffer.from(body.associated_data ?? '', 'base64')
  if (operation === 'encrypt') {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
    const text = cipher.update(body.plaintext ?? '', 'base64')
    cipher.final()
    const blob = Buffer.concat([iv, text, cipher.getAuthTag()]).toString('base64')
    return { status: 200, body: { data: { ciphertext: `vault:v1:${blob}`, key_version: 1 } } }
  }
  const [, encoded = ''] = /^vault:v1:([A-Za-z0-9+/]+=*)$/.exec(body.ciphertext ?? '') ?? []
  const blob = Buffer.from(encoded, 'base64')
  if (blob.length < 29 || blob.toString('base64') !== encoded) {
    return refusal(400, 'invalid ciphertext')
  }
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(0, 12), {
      authTagLength: 16,
    })
    decipher.setAAD(aad).setAuthTag(blob.subarray(-16))
    const plaintext = decipher.update(blob.subarray(12, -16))
    decipher.final()
    return { status: 200, body: { data: { plaintext: plaintext.toString('base64') } } }
  } catch {
    return refusal(400, 'cipher: message authentication failed')
  }
}

function refusal(status: number, error: string): { status: number; body: object } {
  return { status, body: { errors: [error] } }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString())
}
