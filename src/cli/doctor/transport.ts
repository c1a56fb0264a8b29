import { type Found, ok, problem, skipped, warning } from './finding'
import { clientOf, type DriverClient } from './read-only'
import type { Setup } from './setup'

const SUBJECT = 'connection to the database'
const VERIFY =
  "in the DataSource: ssl: { rejectUnauthorized: true, ca: readFileSync('server-ca.pem', 'utf8') }"
const IN_CLEAR = 'tokens, buckets and plain columns can be read and changed on the way'

const SERVERS_VIEW = `SELECT ssl AS encrypted, inet_server_addr() IS NULL
    OR inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1' AS local
  FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()`

/** One end of a connection. */
interface End {
  readonly encrypted: boolean
  /** It does not leave the machine. */
  readonly local: boolean
}

/**
 * The connection to the database is encrypted, or does not leave the machine, and the client verifies
 * the server's certificate. Envelopes would not open for a listener; tokens, buckets and plain columns
 * travel as they are, and answers could be changed on their way.
 *
 * Both ends are asked: between them may be a pooler or a tunnel.
 */
export async function checkTransport({ query, dataSource }: Setup): Promise<Found[]> {
  const [server] = await query(SERVERS_VIEW, [])
  if (!server) return [ok(SUBJECT, 'the database runs in this process')]
  const far = { encrypted: server.encrypted === true, local: server.local === true }
  const client = await clientOf(dataSource)
  const near = nearEnd(client) ?? far
  if (!near.encrypted && !near.local) {
    return [problem(SUBJECT, `is not encrypted: ${IN_CLEAR}`, VERIFY)]
  }
  return [near.encrypted ? certificate(client) : ok(SUBJECT, LOCAL), ...behind(far, near)]
}

const LOCAL = 'not encrypted, and does not leave this machine'

function nearEnd({ connection }: DriverClient): End | null {
  const { encrypted, remoteAddress } = connection?.stream ?? {}
  if (connection?.stream === undefined) return null
  const loopback = /^(?:127\.|::1$|::ffff:127\.)/
  // A socket of the file system has no address.
  const local = remoteAddress === undefined || loopback.test(remoteAddress)
  return { encrypted: encrypted === true, local }
}

/** What a pooler or tunnel in between does, as far as the server knows. */
function behind(far: End, near: End): Found[] {
  if (far.encrypted || far.local || far === near) return []
  const finding = `the server was reached without TLS, by a pooler or tunnel: ${IN_CLEAR}`
  return [
    warning(SUBJECT, finding, 'use TLS between pooler and server, unless the tunnel encrypts'),
  ]
}

/** What the driver did, whatever the connection string said. */
function certificate({ ssl, connection }: DriverClient): Found {
  const authorized = connection?.stream?.authorized
  if (authorized === undefined) {
    return skipped(SUBJECT, 'encrypted; this driver does not tell how it verifies the server', null)
  }
  const options = typeof ssl === 'object' && ssl !== null ? ssl : {}
  const lenient = 'rejectUnauthorized' in options && options.rejectUnauthorized === false
  if (lenient || !authorized) {
    return warning(SUBJECT, 'encrypted with any certificate: another server could answer', VERIFY)
  }
  if ('checkServerIdentity' in options) {
    const finding = 'encrypted; the certificate is verified, its host name by a function of its own'
    return warning(SUBJECT, finding, 'use sslmode=verify-full, or leave out checkServerIdentity')
  }
  return ok(SUBJECT, "encrypted, and the server's certificate is verified")
}
