import { connect, createServer, type Socket } from 'node:net'

/** Stands between a client and PostgreSQL, and cuts all connections at a statement. */
export interface CuttingProxy {
  readonly url: string
  /** Statements since `arm`, over all connections. */
  readonly statements: number
  /** Whether it has cut; then it takes no new connections until it is armed again. */
  readonly isCut: boolean
  /**
   * Cuts when the server has done a statement: its answer is lost.
   *
   * @param at - number of the statement, from 1; Infinity never cuts
   */
  arm(at: number): void
  close(): Promise<void>
}

/**
 * For the server, what a process that is killed leaves is a connection that ends; with this it ends at
 * a statement that was chosen, whatever the driver. An end before a statement is the same as one after
 * the statement before it.
 *
 * @see PostgreSQL documentation, "Message Formats": a type byte except in the first message, then the
 *   length, itself included. `Q` and `S` (Sync) each end a statement of the client, and `Z` its answer.
 */
export async function startCuttingProxy(url: string): Promise<CuttingProxy> {
  const state = { at: Number.POSITIVE_INFINITY, count: 0, isCut: false }
  const open = new Set<Socket>()
  const cut = (): void => {
    state.isCut = true
    for (const socket of open) socket.destroy()
    open.clear()
  }
  const { hostname, port } = new URL(url)
  const server = createServer((client) => {
    if (state.isCut) return void client.destroy()
    const upstream = connect(Number(port), hostname)
    let isAnswerLost = false
    join(client, upstream, open)
    client.on(
      'data',
      messages(true, (type, bytes) => {
        if ((type === 'Q' || type === 'S') && ++state.count === state.at) isAnswerLost = true
        upstream.write(bytes)
      }),
    )
    upstream.on(
      'data',
      messages(false, (type, bytes) => {
        if (!isAnswerLost) client.write(bytes)
        else if (type === 'Z') cut()
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const proxied = new URL(url)
  proxied.port = String(typeof address === 'object' ? address?.port : '')
  return {
    url: proxied.href,
    get statements() {
      return state.count
    },
    get isCut() {
      return state.isCut
    },
    arm: (at) => void Object.assign(state, { at, count: 0, isCut: false }),
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function join(client: Socket, upstream: Socket, open: Set<Socket>): void {
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    open.add(socket)
    socket.setNoDelay(true).on('error', () => {})
    socket.on('close', () => {
      open.delete(socket)
      other.destroy()
    })
  }
}

/** Divides a stream into messages. */
function messages(
  startup: boolean,
  onMessage: (type: string, bytes: Buffer) => void,
): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  let isTyped = !startup
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const lengthAt = isTyped ? 1 : 0
      if (rest.length < lengthAt + 4) return
      const end = lengthAt + rest.readUInt32BE(lengthAt)
      if (rest.length < end) return
      const type = isTyped ? rest.toString('latin1', 0, 1) : ''
      onMessage(type, rest.subarray(0, end))
      isTyped = true
      rest = rest.subarray(end)
    }
  }
}
