import { inspect } from 'node:util'
import { Between } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

/** Unlikely to occur anywhere by chance, also in one case or in hex. */
const EMAIL = 'Xylophone.Quagga@Example.org'
const SURNAME = 'Wolfeschlegelstein'
const INCOME = 48_271.625
const BIRTH = '1987-11-23'
const ALLERGY = 'zwieback-allergy'
const PLAINTEXTS = [EMAIL, SURNAME, String(INCOME), BIRTH, ALLERGY, 'Xylophone', 'Wolfes']

let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet])
  await people().save(someone(1))
})

beforeEach(() => {
  setup.log.length = 0
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = () => setup.dataSource.getRepository(Person)

function someone(id: number): Partial<Person> {
  return {
    id,
    ward: 'A',
    email: EMAIL,
    surname: SURNAME,
    income: INCOME,
    birthDate: BIRTH,
    chart: { allergies: [ALLERGY] },
  }
}

/** Every spelling that a leak could have: text, JSON of bytes, hex, base64. */
function spellings(plaintext: string): string[] {
  const bytes = Buffer.from(plaintext)
  return [
    plaintext,
    bytes.toString('hex'),
    [...bytes].join(','),
    bytes.toString('base64').replace(/.{2}==?$/, ''),
  ].map((text) => text.toLowerCase())
}

function expectNoPlaintext(text: string): void {
  const lower = text.toLowerCase()
  const found = PLAINTEXTS.filter((one) => spellings(one).some((s) => lower.includes(s)))
  expect(found).toEqual([])
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(Error)
  return outcome as Error
}

function everythingOf(error: unknown): string {
  const { message = '', stack = '' } = error as Error
  return [message, stack, inspect(error, { depth: 6, showHidden: true }), json(error)].join('\n')
}

/** Errors of the driver hold sockets that refer to themselves. */
function json(value: unknown): string {
  const seen = new WeakSet<object>()
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return String(part)
    if (typeof part !== 'object' || part === null) return part
    if (seen.has(part)) return '[seen]'
    seen.add(part)
    return part
  })
}

async function rawPerson(): Promise<Record<string, unknown>> {
  const [row] = await setup.dataSource.query('SELECT * FROM person WHERE id = 1')
  return row
}

describe('the query log', () => {
  it('holds every statement and no value of a write', async () => {
    await people().save({ ...someone(2), email: `b${EMAIL}` })
    await people().insert({ ...someone(3), email: `c${EMAIL}` })
    await people().update({ id: 3 }, { surname: `${SURNAME}s`, income: INCOME })
    await people().update({ email: `c${EMAIL}` }, { birthDate: BIRTH })
    await people().upsert({ ...someone(3), email: `c${EMAIL}` }, ['email'])
    await people().delete({ email: `c${EMAIL}` })
    await people().delete({ id: 2 })
    const log = setup.log.join('\n')
    for (const verb of ['INSERT', 'UPDATE', 'DELETE', 'ON CONFLICT']) expect(log).toContain(verb)
    expectNoPlaintext(log)
  })

  it('holds every statement and no value of a query', async () => {
    const where = { email: EMAIL, income: Between(INCOME - 1, INCOME + 1), surname: SURNAME }
    expect(await people().find({ where, order: { birthDate: 'ASC' }, take: 5 })).toHaveLength(1)
    expect(await people().countBy(where)).toBe(1)
    expect(await people().existsBy({ birthDate: BIRTH })).toBe(true)
    expect(
      await people().createQueryBuilder('p').where({ email: EMAIL, surname: SURNAME }).getMany(),
    ).toHaveLength(1)
    const log = setup.log.join('\n')
    expect(log.match(/SELECT/g)?.length).toBeGreaterThan(3)
    expectNoPlaintext(log)
  })

  it('holds no value of a condition in SQL text, literals included', async () => {
    const texts = [`p.email = '${EMAIL}'`, 'p.surname LIKE :s', 'p.income > :i', 'p.birthDate = :b']
    const parameters = { s: `${SURNAME}%`, i: INCOME - 1, b: BIRTH }
    for (const text of texts) {
      const builder = people().createQueryBuilder('p').where(text, parameters)
      expect(await builder.getMany()).toHaveLength(1)
      expect(await builder.getCount()).toBe(1)
    }
    await people()
      .createQueryBuilder()
      .update()
      .set({ ward: 'A' })
      .where(`email = '${EMAIL}'`)
      .execute()
    expect(setup.log.length).toBeGreaterThan(8)
    expectNoPlaintext(setup.log.join('\n'))
  })

  it('holds no token and no envelope of a row', async () => {
    await people().findBy({ email: EMAIL })
    const log = setup.log.join('\n').toLowerCase()
    const row = await rawPerson()
    const bytes = Object.values(row).filter((value) => Buffer.isBuffer(value))
    expect(bytes.length).toBeGreaterThan(6)
    for (const value of bytes) {
      expect(log).not.toContain(value.toString('hex'))
      expect(log).not.toContain([...value].join(','))
    }
  })
})

describe('parameters', () => {
  it('show their property, and in JSON a digest that is equal for equal values', async () => {
    const parametersOf = (email: string): unknown[] =>
      people().createQueryBuilder('p').where({ email }).getQueryAndParameters()[1]
    const parameters = parametersOf(EMAIL)
    expect(parameters).toHaveLength(1)
    expect(inspect(parameters, { depth: 9, showHidden: true })).toContain(
      '[encrypted Person.email]',
    )
    expectNoPlaintext(inspect(parameters, { depth: 9, showHidden: true }))
    expectNoPlaintext(JSON.stringify(parameters))
    expect(`${parameters[0]}`).toBe('[encrypted Person.email]')
    expect(JSON.stringify(parametersOf(EMAIL))).toBe(JSON.stringify(parameters))
    expect(JSON.stringify(parametersOf(`a${EMAIL}`))).not.toBe(JSON.stringify(parameters))
    expect(JSON.stringify(parameters)).not.toContain(
      ((await rawPerson()).email_hmac as Buffer).toString('base64url'),
    )
  })
})

describe('parameters of a statement that is sent', () => {
  it('show subscribers a digest too, whatever TypeORM makes of them before', async () => {
    const seen: string[] = []
    const subscribers = setup.dataSource.subscribers
    subscribers.push({
      beforeQuery: ({ parameters }) => void seen.push(JSON.stringify(parameters)),
    })
    try {
      for (const email of [EMAIL, EMAIL, `a${EMAIL}`]) await people().findOneBy({ email })
    } finally {
      subscribers.pop()
    }
    const [first, same, other] = seen
    expect(seen).toHaveLength(3)
    expect(JSON.parse(first as string)).toEqual([expect.any(String)])
    expect(same).toBe(first)
    expect(other).not.toBe(first)
    expectNoPlaintext(seen.join())
  })
})

describe('errors', () => {
  const absent = { email: `nobody.${EMAIL}`, surname: SURNAME }

  it.each<[string, () => Promise<unknown>]>([
    ['findOneByOrFail', () => people().findOneByOrFail({ ...absent })],
    ['findOneOrFail', () => people().findOneOrFail({ where: { ...absent } })],
    ['findOneOrFail with alternatives', () => people().findOneOrFail({ where: [absent, absent] })],
    [
      'findOneByOrFail of a manager in a transaction',
      () => setup.dataSource.transaction((manager) => manager.findOneByOrFail(Person, absent)),
    ],
    [
      'findOneOrFail through a relation',
      () =>
        setup.dataSource
          .getRepository(Pet)
          .findOneOrFail({ where: { name: ALLERGY, owner: { email: `no.${EMAIL}` } } }),
    ],
    [
      'getOneOrFail',
      () =>
        people()
          .createQueryBuilder('p')
          .where({ email: `no.${EMAIL}` })
          .getOneOrFail(),
    ],
    [
      'getOneOrFail with SQL text',
      () =>
        people()
          .createQueryBuilder('p')
          .where('p.email = :e', { e: `no.${EMAIL}` })
          .getOneOrFail(),
    ],
  ])('of %s name the entity and hide the criteria', async (_, find) => {
    const error = await rejection(find())
    expect(error.name).toBe('EntityNotFoundError')
    expect(error.message).toMatch(/Person|Pet/)
    expectNoPlaintext(everythingOf(error))
  })

  it.each<[string, () => Promise<unknown>]>([
    ['save', () => people().save(someone(9))],
    ['insert', () => people().insert(someone(9))],
    [
      'update',
      async () => {
        await people().save({ ...someone(8), email: `h${EMAIL}` })
        await people().update({ id: 8 }, { email: EMAIL })
      },
    ],
  ])('of a unique violation in %s hide value and token', async (_, write) => {
    const { email_hmac } = (await rawPerson()) as { email_hmac: Buffer }
    const error = await rejection(write())
    expect(error.name).toBe('QueryFailedError')
    expect(error).toMatchObject({ code: '23505', detail: expect.stringContaining('Person.email') })
    expectNoPlaintext(everythingOf(error))
    expectNoPlaintext(setup.log.join('\n'))
    const logged = setup.log.filter((line) => line.startsWith('ERROR'))
    const { detail } = error as unknown as { detail: string }
    for (const text of [error.message, error.stack as string, detail, ...logged]) {
      expect(text).not.toContain(email_hmac.toString('hex'))
      expect(text).not.toContain([...email_hmac].join(','))
    }
    expect(logged.length).toBeGreaterThan(0)
  })

  it('of a NOT NULL violation hide the other values of the row', async () => {
    const error = await rejection(
      people().insert({ ...someone(10), email: `j${EMAIL}`, ward: null as never }),
    )
    expect(error).toMatchObject({ code: '23502' })
    const bucket = '40000'
    for (const text of [everythingOf(error), setup.log.join('\n')]) {
      expectNoPlaintext(text)
      expect(text).not.toMatch(/Failing row contains/)
    }
    expect(String((error as { detail?: unknown }).detail)).not.toContain(bucket)
  })

  it('of a query that fails show neither token nor value', async () => {
    const builder = people()
      .createQueryBuilder('p')
      .where({ email: EMAIL })
      .andWhere('p.id / 0 > 1')
    const error = await rejection(builder.getMany())
    expect(error).toMatchObject({ code: '22012', parameters: ['[encrypted]'] })
    expectNoPlaintext(everythingOf(error))
  })

  it('of a value that does not fit name the property only', async () => {
    const error = await rejection(people().save({ ...someone(11), income: EMAIL as never }))
    expect(error).toMatchObject({ code: 'ERR_VALUE_INVALID' })
    expect(error.message).toContain('Person.income')
    expectNoPlaintext(everythingOf(error))
  })
})

describe('the table', () => {
  it('holds no plaintext but the declared buckets', async () => {
    const row = await rawPerson()
    expect(row).toMatchObject({ id: 1, ward: 'A', income_lofi: expect.anything() })
    const buckets = Object.fromEntries(
      Object.entries(row).filter(([name]) => name.endsWith('_lofi')),
    )
    expect(Object.keys(buckets).sort()).toEqual(['birthDate_lofi', 'income_lofi', 'surname_lofi'])
    expect(String(buckets.surname_lofi).toLowerCase()).toBe('wo')
    expect(buckets.birthDate_lofi).toBeInstanceOf(Date)
    expect((buckets.birthDate_lofi as Date).getDate()).toBe(1)
    const everything = Object.values(row)
      .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
      .join('\n')
    expectNoPlaintext(everything)
    expectNoPlaintext(
      Object.values(row)
        .map((value) => (Buffer.isBuffer(value) ? value.toString('hex') : ''))
        .join('\n'),
    )
  })
})
