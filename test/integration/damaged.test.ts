import { inspect } from 'node:util'
import { Column, Entity, LessThan, MoreThan, PrimaryColumn, VersionColumn } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { disableKey, enableKey, rotateKek } from '../../src/rotation'
import { Encrypted, isSealed, openRaw, type Sealed } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { type Setup, setUp } from './people'

@Entity()
class Patient {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Column('text', { nullable: true }) room!: string | null
  @Encrypted({ type: 'string', exact: true, range: { prefix: 2 }, nullable: true })
  surname!: string | null
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'json', nullable: true, compress: true }) chart!: object | null
  @Encrypted({ type: 'string', column: 'text', nullable: true }) note!: string | null
  @Encrypted({ type: 'string', subject: 'ward', nullable: true }) plan!: string | null
  @Encrypted({ type: 'string', bindRow: true, nullable: true }) bound!: string | null
  @VersionColumn() version!: number
}

let strict: Setup
let setup: Setup
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  strict = await setUp(database.url, [Patient])
  const { secret } = strict
  setup = await setUp(
    database.url,
    [Patient],
    { synchronize: false },
    { secret, damaged: 'sealed' },
  )
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await strict?.dataSource.destroy()
  await database?.drop()
})

/** Another process of the same application. */
const again = () =>
  setUp(
    database.url,
    [Patient],
    { synchronize: false },
    { secret: strict.secret, damaged: 'sealed' },
  )

const patients = ({ dataSource } = setup) => dataSource.getRepository(Patient)
const query = (sql: string, parameters: unknown[] = []) => setup.dataSource.query(sql, parameters)
const rows = () => query('SELECT * FROM patient ORDER BY id')
const first = () => patients().findOneByOrFail({ id: 1 })

/** Changes the last byte of the tag. */
const breakValue = (column: string, id = 1) =>
  query(
    `UPDATE patient SET "${column}" =
      set_byte("${column}", length("${column}") - 1, 255 - get_byte("${column}", length("${column}") - 1))
     WHERE id = $1`,
    [id],
  )
/** Names a key that no store has, unlike any that a test before it named. */
const loseKey = (column: string, key: string, id = 1) =>
  query(`UPDATE patient SET "${column}" = overlay("${column}" placing $2 from 3) WHERE id = $1`, [
    id,
    Buffer.from(key, 'hex'),
  ])

beforeEach(async () => {
  await patients(strict).clear()
  await patients(strict).insert(
    [1, 2].map((id) => ({
      ...{ id, ward: 'A', surname: `Smith ${id}`, income: id, chart: { id } },
      ...{ note: `note ${id}`, plan: `plan ${id}`, bound: `bound ${id}` },
    })),
  )
})

it('is not confused with a value that looks like an error of ours', async () => {
  const chart = { name: 'MortiseError', code: 'ERR_DECRYPTION_FAILED', message: '' }
  await patients().update(1, { chart })
  for (const one of [setup, strict]) {
    expect(await patients(one).findOneByOrFail({ id: 1 })).toMatchObject({ chart })
  }
})

describe('a value that does not open', () => {
  it.each(['surname', 'income', 'chart', 'plan'] as const)(
    'is sealed on %s, and hinders no other',
    async (name) => {
      await breakValue(name)
      const [broken, whole] = await patients().find({ order: { id: 'ASC' } })
      expect(broken?.[name]).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' })
      expect(broken).toMatchObject({ note: 'note 1' })
      expect(whole).toMatchObject({
        surname: 'Smith 2',
        income: 2,
        chart: { id: 2 },
        plan: 'plan 2',
      })
      await expect(patients(strict).find()).rejects.toMatchObject({
        ...{ code: 'ERR_DECRYPTION_FAILED', field: `Patient.${name}` },
      })
    },
  )

  it('is sealed where it is no envelope at all, also as text', async () => {
    await query(`UPDATE patient SET note = 'plain', surname = '\\x01' WHERE id = 1`)
    const one = await first()
    expect(one.note).toMatchObject({ code: 'ERR_ENVELOPE_MALFORMED', keyId: null })
    expect(one.surname).toMatchObject({ code: 'ERR_ENVELOPE_MALFORMED' })
    expect(one.income).toBe(1)
  })

  it('names an unknown key, with one question for KEKs and one for subject keys', async () => {
    await loseKey('surname', '0000000000000001')
    await loseKey('income', '0000000000000002')
    await loseKey('plan', '0000000000000003')
    setup.log.length = 0
    const found = await patients().find({ order: { id: 'ASC' } })
    const asked = setup.log.filter((line) => /FROM \S*mortise_(key|subject_key)\b/.test(line))
    expect(asked.length, asked.join()).toBe(2)
    expect(found.map(({ surname }) => isSealed(surname))).toEqual([true, false])
    expect(found[0]?.surname).toMatchObject({
      ...{ field: 'Patient.surname', code: 'ERR_KEY_NOT_FOUND', keyId: '0000000000000001' },
    })
    expect(found[0]?.plan).toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
    expect(found[1]).toMatchObject({ income: 2, plan: 'plan 2' })
  })

  it("names its property where damaged is 'throw'", async () => {
    await loseKey('income', '0000000000000004')
    await expect(patients(strict).find()).rejects.toMatchObject({
      ...{ code: 'ERR_KEY_NOT_FOUND', field: 'Patient.income' },
    })
  })

  it('shows what it is, holds nothing, and is no value', async () => {
    await breakValue('surname')
    const sealed = (await first()).surname as unknown as Sealed
    const stored: Buffer = (await rows())[0].surname
    const key = stored.toString('hex', 2, 10)
    expect(inspect(sealed)).toBe(`[sealed Patient.surname ERR_DECRYPTION_FAILED key ${key}]`)
    const uses = [
      () => `${sealed}`,
      () => JSON.stringify({ sealed }),
      () => +sealed,
      () => sealed.valueOf(),
    ]
    for (const use of uses) {
      expect(use).toThrow(expect.objectContaining({ code: 'ERR_DECRYPTION_FAILED' }))
    }
  })
})

describe('a sealed value that is written', () => {
  beforeEach(async () => {
    await breakValue('surname')
    await breakValue('income')
  })

  it('stays as it is, with its index columns, when its entity is saved', async () => {
    const [before] = await rows()
    const one = await first()
    await patients().save(one)
    expect((await rows())[0]).toEqual(before)
    await patients().save(Object.assign(one, { ward: 'A', note: 'changed' }))
    const { note, version, ...rest } = (await rows())[0]
    expect(before).toMatchObject(rest)
    expect(note).not.toBe(before.note)
    expect(version).toBe(2)
    expect(await first()).toMatchObject({ note: 'changed' })
  })

  it('is replaced by a real value or by null', async () => {
    await patients().save(Object.assign(await first(), { surname: 'Jones', income: null }))
    expect(await patients().findOneByOrFail({ surname: 'Jones' })).toMatchObject({ income: null })
    expect((await rows())[0].income_lofi).toBeNull()
  })

  it('is refused everywhere else, naming the property', async () => {
    const { surname, ...one } = await first()
    const other = await patients().findOneByOrFail({ id: 2 })
    const before = await rows()
    const writes: [string, () => Promise<unknown>][] = [
      ['surname', () => patients().insert({ id: 3, ward: 'A', surname })],
      ['surname', () => patients().save({ id: 4, ward: 'A', surname })],
      ['surname', () => patients().save(Object.assign(other, { surname }))],
      ['chart', () => patients().save({ ...one, chart: surname as unknown as object })],
      ['surname', () => patients().update(2, { surname })],
      ['surname', () => patients().upsert({ id: 2, ward: 'A', plan: 'x', surname }, ['id'])],
    ]
    for (const [name, write] of writes) {
      await expect(write()).rejects.toMatchObject({
        ...{ code: 'ERR_QUERY_UNSUPPORTED', field: `Patient.${name}` },
      })
    }
    await expect(patients().update(2, { room: surname })).rejects.toThrow(/does not open/)
    expect(await rows()).toEqual(before)
  })
})

describe('what needs the value of a damaged row', () => {
  beforeEach(async () => {
    await breakValue('income')
  })

  it('throws and names it: conditions, counts, pages and order', async () => {
    const error = { code: 'ERR_DECRYPTION_FAILED', field: 'Patient.income' }
    const asked = [
      () => patients().find({ where: { income: LessThan(5) } }),
      () => patients().count({ where: { income: LessThan(5) } }),
      () => patients().findAndCount({ where: { income: LessThan(5) }, take: 1 }),
      () => patients().find({ order: { income: 'ASC' } }),
      () => patients().find({ order: { income: 'ASC' }, take: 1 }),
    ]
    for (const ask of asked) await expect(ask()).rejects.toMatchObject(error)
  })

  it('is answered where no value is needed', async () => {
    expect(await patients().count()).toBe(2)
    expect(await patients().find({ where: { income: MoreThan(50) } })).toEqual([])
    expect(await patients().findBy({ surname: 'Smith 1' })).toHaveLength(1)
  })

  it('throws where a token found the damaged value: nothing confirms it', async () => {
    await breakValue('surname')
    await expect(patients().findBy({ surname: 'Smith 1' })).rejects.toMatchObject({
      ...{ code: 'ERR_DECRYPTION_FAILED', field: 'Patient.surname' },
    })
  })
})

describe('keys, rows and other ways of reading', () => {
  it('a value under a disabled key is sealed, and opens again with the key', async () => {
    const { keyId } = await rotateKek(strict.keyring, { purpose: 'data' })
    await patients(strict).update(1, { income: 77 })
    const [{ id: old } = { id: '' }] = (await strict.keyring.keys()).filter(
      ({ purpose, id }) => purpose === 'data' && id !== keyId,
    )
    await disableKey(strict.keyring, { keyId: old })
    const fresh = await again()
    const one = await fresh.dataSource.getRepository(Patient).findOneByOrFail({ id: 1 })
    expect(one.income).toBe(77)
    expect(one.surname).toMatchObject({ code: 'ERR_KEY_STATE', keyId: old })
    await fresh.dataSource.destroy()
    await enableKey(strict.keyring, { keyId: old })
    const enabled = await again()
    const [two] = await enabled.dataSource.getRepository(Patient).findBy({ id: 1 })
    expect(two).toMatchObject({ surname: 'Smith 1', income: 77 })
    await enabled.dataSource.destroy()
  })

  it('a value that was moved to another row is sealed where it is bound', async () => {
    await query('UPDATE patient SET bound = (SELECT bound FROM patient WHERE id = 2) WHERE id = 1')
    const [one, two] = await patients().find({ order: { id: 'ASC' } })
    expect(isSealed(one?.bound)).toBe(true)
    expect(two?.bound).toBe('bound 2')
  })

  it('openRaw gives it too', async () => {
    await breakValue('income')
    const raw = await patients().createQueryBuilder('p').orderBy('p.id').getRawMany()
    const [one, two] = await openRaw(setup.dataSource, Patient, raw, 'p')
    expect([isSealed(one.p_income), two.p_income]).toEqual([true, 2])
  })

  it('has two settings', async () => {
    const wrong = setUp(database.url, [Patient], {}, { damaged: 'null' as never })
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})

it('a key store that cannot be asked fails the page', async () => {
  await loseKey('surname', '0000000000000005')
  await query('ALTER TABLE mortise_key RENAME TO hidden_key')
  try {
    await expect(patients().find()).rejects.toMatchObject({ code: 'ERR_KEY_STORE' })
  } finally {
    await query('ALTER TABLE hidden_key RENAME TO mortise_key')
  }
})
