import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SignedRequest } from './authorization'
import type { Reply } from './service'

/** Far above the largest request of the protocol. */
const MAX_BODY_BYTES = 262_144

/** A listening server. */
export interface Server {
  readonly url: string
  /** Ends every connection, also those that wait for an answer. */
  close(): Promise<void>
}

/** Serves on a free port of the loopback interface. */
export async function listen(answer: (request: SignedRequest) => Promise<Reply>): Promise<Server> {
  const server = createServer((request, response) => {
    serve(request, response, answer).catch((error: unknown) => fail(response, error))
  })
  // A connection that the server ends while the client reuses it would look like a reset.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
      return closed
    },
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: SignedRequest) => Promise<Reply>,
): Promise<void> {
  const { method = '', url = '/', headers } = request
  const reply = await answer({ method, target: url, headers, body: await readBody(request) })
  if (reply === 'hang') return
  if (reply === 'reset') {
    request.socket.resetAndDestroy()
    return
  }
  const body = Buffer.from(reply.body)
  response.writeHead(reply.status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': body.length,
    'x-amzn-requestid': reply.requestId,
    ...(reply.error !== null && { 'x-amzn-errortype': reply.error }),
  })
  response.end(body)
}

/** For what the protocol has no answer to, such as an `alter` that throws: the client shall say it. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return
  const message = error instanceof Error ? error.message : String(error)
  response.writeHead(500, { 'content-type': 'application/x-amz-json-1.1' })
  response.end(JSON.stringify({ __type: 'EmulatorFailure', message }))
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new RangeError('the request is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
