import { chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataSource } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Setup } from '../../../src/cli/doctor/setup'
import { checkTransport } from '../../../src/cli/doctor/transport'
import { type PostgresServer, startPostgres } from '../../postgres-server'
import { type ServerCertificate, serverCertificate } from './certificate'

const { key, certificate }: ServerCertificate = serverCertificate()
let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
  await withTls(server)
})

afterAll(async () => {
  await server?.stop()
  server?.remove()
})

/** The server reads its key only where it, or root, is the owner. */
async function withTls({ url, dataDirectory }: PostgresServer): Promise<void> {
  const { uid, gid } = statSync(dataDirectory)
  for (const [name, content] of Object.entries({ 'server.key': key, 'server.crt': certificate })) {
    const path = join(dataDirectory, name)
    writeFileSync(path, content, { mode: 0o600 })
    chownSync(path, uid, gid)
  }
  const source = await new DataSource({ type: 'postgres', url }).initialize()
  await source.query('ALTER SYSTEM SET ssl = on')
  await source.query('SELECT pg_reload_conf()')
  await source.destroy()
  await new Promise((resolve) => setTimeout(resolve, 200))
}

async function look(options: object) {
  const dataSource = new DataSource({ type: 'postgres', url: server.url, ...options })
  await dataSource.initialize()
  const query: Setup['query'] = (sql, parameters) => dataSource.query(sql, [...parameters])
  try {
    const [finding] = await checkTransport({ dataSource, query } as Setup)
    return finding
  } finally {
    await dataSource.destroy()
  }
}

describe('the connection to the database', () => {
  it('may be in clear on one machine', async () => {
    expect(await look({})).toMatchObject({
      status: 'ok',
      finding: expect.stringContaining('does not leave'),
    })
  })

  it('is well where the certificate is verified', async () => {
    expect(await look({ ssl: { ca: certificate } })).toMatchObject({
      status: 'ok',
      finding: "encrypted, and the server's certificate is verified",
    })
  })

  it.each([
    ['the options', () => ({ ssl: { rejectUnauthorized: false } })],
    ['the options, beside a CA', () => ({ ssl: { rejectUnauthorized: false, ca: certificate } })],
    ['the connection string', () => ({ url: `${server.url}?sslmode=no-verify` })],
  ])('is weak where %s let any certificate pass', async (_where, options) => {
    expect(await look(options())).toMatchObject({
      status: 'warning',
      finding: expect.stringContaining('with any certificate'),
      fix: expect.stringContaining('rejectUnauthorized: true'),
    })
  })

  it('is weak where the name is not compared', async () => {
    const ssl = { ca: certificate, checkServerIdentity: () => undefined }
    expect(await look({ ssl })).toMatchObject({ status: 'warning' })
  })

  const CLEAR = { encrypted: false, local: false }
  const TLS = { encrypted: true, local: false }
  const LOCAL = { encrypted: false, local: true }
  const own = { remoteAddress: '127.0.0.1' }
  const far = { remoteAddress: '192.0.2.1' }

  it.each([
    ['another machine, in clear', CLEAR, far, ['problem']],
    ['another machine, by a driver that tells nothing', CLEAR, null, ['problem']],
    ['another machine with TLS, by such a driver', TLS, null, ['skipped']],
    ['a pooler in clear, which speaks TLS', TLS, far, ['problem']],
    [
      'a pooler with TLS, which does not speak it',
      CLEAR,
      { ...far, encrypted: true, authorized: true },
      ['ok', 'warning'],
    ],
    ['a tunnel on this machine', CLEAR, own, ['ok', 'warning']],
    ['a pooler on this machine, which speaks TLS', TLS, own, ['ok']],
    ['a socket of the file system', LOCAL, {}, ['ok']],
    ['this process', null, null, ['ok']],
  ])('to %s', async (_where, server, stream, expected) => {
    const client = stream ? { connection: { stream } } : {}
    const runner = { connect: async () => client, query: async () => [], release: async () => {} }
    const dataSource = { createQueryRunner: () => runner }
    const setup = { dataSource, query: async () => (server ? [server] : []) }
    const findings = await checkTransport(setup as unknown as Setup)
    expect(findings.map(({ status }) => status)).toEqual(expected)
  })
})
