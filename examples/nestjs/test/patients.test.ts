import { randomUUID } from 'node:crypto'
import { ConsoleLogger, type INestApplication, type LoggerService } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { generateRootKey } from 'mortise'
import { DataSource } from 'typeorm'
import { AppModule } from '../src/app.module.js'

const ada = {
  ward: 'B2',
  email: 'Ada@Example.com',
  birthDate: '1815-12-10',
  chart: { allergies: ['penicillin'] },
}
const grace = { ward: 'B2', email: 'grace@example.com', birthDate: '1906-12-09' }
const alan = { ward: 'B2', email: 'alan@example.com', birthDate: '1912-06-23' }
const barbara = { ward: 'C1', email: 'barbara@example.com', birthDate: '1939-11-07' }

let app: INestApplication
let url: string

beforeAll(async () => {
  process.env.MORTISE_KEY_PROVIDERS ??= 'in-app:main'
  process.env.MORTISE_ROOT_KEY ??= generateRootKey()
  app = await startApp()
  for (const patient of [ada, grace, alan, barbara]) await post('/patients', patient)
})
afterAll(() => app.close())

async function startApp(
  logger: LoggerService = new ConsoleLogger({ logLevels: ['fatal'] }),
): Promise<INestApplication> {
  const module = await Test.createTestingModule({ imports: [AppModule] })
    .setLogger(logger)
    .compile()
  const started = module.createNestApplication()
  await started.listen(0, '127.0.0.1')
  url = await started.getUrl()
  return started
}

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server sent
  body: any
}

async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

const get = (path: string) => ask('GET', path)
const post = (path: string, body: unknown) => ask('POST', path, body)

describe('the register of patients', () => {
  it('finds a patient by the email, however it is written', async () => {
    const { status, body } = await post('/patients/search', { email: ' ada@example.COM' })
    expect(status).toBe(201)
    expect(body).toMatchObject(ada)
  })

  it('does not know an email that was never registered', async () => {
    expect((await post('/patients/search', { email: 'eve@example.com' })).status).toBe(404)
  })

  it('refuses an email that is registered, and does not repeat it', async () => {
    const { status, body } = await post('/patients', { ...grace, email: 'GRACE@example.com' })
    expect(status).toBe(409)
    expect(JSON.stringify(body)).not.toMatch(/grace@example/i)
  })

  it('pages through birth dates in order', async () => {
    const { body } = await get('/patients?from=1906-12-09&to=1939-11-06')
    expect(body).toMatchObject({ items: [grace, alan], total: 2 })
    expect(await get('/patients?from=1800-01-01&to=1999-01-01&page=1')).toMatchObject({
      body: { items: [], total: 4 },
    })
  })

  it('joins a plain and an encrypted condition in a query builder', async () => {
    expect((await get('/patients/wards/B2?before=1912-06-23')).body).toMatchObject([grace, ada])
  })

  it('updates one encrypted property by id', async () => {
    const { body: found } = await post('/patients/search', { email: alan.email })
    const chart = { allergies: ['apples'] }
    expect((await ask('PUT', `/patients/${found.id}/chart`, chart)).status).toBe(200)
    expect((await post('/patients/search', { email: alan.email })).body).toMatchObject({
      ...alan,
      chart,
    })
    expect((await ask('PUT', `/patients/${randomUUID()}/chart`, chart)).status).toBe(404)
  })

  it('answers a value that does not fit its property with 400', async () => {
    const { status, body } = await post('/patients', { ...grace, birthDate: '1906-02-30' })
    expect(status).toBe(400)
    expect(body.message).toContain('Patient.birthDate')
    expect(JSON.stringify(body)).not.toContain('1906-02-30')
  })

  it('leaves no plaintext in the database', async () => {
    const rows = await app.get(DataSource).query('SELECT p::text AS row FROM patient p')
    const stored = JSON.stringify(rows)
    expect(rows).toHaveLength(4)
    expect(stored).toContain('B2')
    for (const word of ['example', '1815-12', 'penicillin', 'apples']) {
      expect(stored).not.toContain(word)
      expect(stored).not.toContain(Buffer.from(word).toString('hex'))
    }
  })
})

it('opens after a restart what it sealed before', async () => {
  await app.close()
  app = await startApp()
  expect((await post('/patients/search', { email: ada.email })).body).toMatchObject(ada)
})

it('needs no schema change beyond its migrations', async () => {
  const { upQueries } = await app.get(DataSource).driver.createSchemaBuilder().log()
  expect(upQueries.map(({ query }) => query)).toEqual([])
})

it('does not start with another root key', async () => {
  const { MORTISE_ROOT_KEY } = process.env
  process.env.MORTISE_ROOT_KEY = generateRootKey()
  await expect(startApp()).rejects.toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
  process.env.MORTISE_ROOT_KEY = MORTISE_ROOT_KEY
})

it('starts when its database comes up after it', async () => {
  const { DATABASE_URL } = process.env
  const name = `later_${randomUUID().replaceAll('-', '')}`
  const server = app.get(DataSource)
  let refusals = 0
  const logger = new ConsoleLogger({ logLevels: ['fatal'] })
  logger.error = () => {
    refusals++
    void server.query(`CREATE DATABASE ${name}`)
  }
  process.env.DATABASE_URL = Object.assign(new URL(String(DATABASE_URL)), { pathname: name }).href
  const late = await startApp(logger)
  expect(refusals).toBe(1)
  expect((await post('/patients', ada)).status).toBe(201)
  await late.close()
  await server.query(`DROP DATABASE ${name}`)
  process.env.DATABASE_URL = DATABASE_URL
})
