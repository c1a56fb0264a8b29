import 'reflect-metadata'
import {
  Brackets,
  ChildEntity,
  Column,
  Entity,
  In,
  LessThan,
  PrimaryColumn,
  TableInheritance,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

class Address {
  @Encrypted({ type: 'string', exact: true, nullable: true }) street!: string | null
  @Column('text', { nullable: true }) zip!: string | null
}

@Entity()
class Every {
  @PrimaryColumn('int') id!: number
  @Encrypted('bytes', { nullable: true, exact: true }) bytes!: Uint8Array | null
  @Encrypted('bigint', { nullable: true, range: { step: 1000n } }) big!: bigint | null
  @Encrypted('boolean', { nullable: true }) flag!: boolean | null
  @Encrypted('timestamp', { nullable: true, range: { truncate: 'month' } }) at!: Date | null
  @Encrypted('json', { nullable: true }) json!: unknown
  @Encrypted('number', { nullable: true }) zero!: number | null
  @Column(() => Address) address!: Address
}

@Entity()
@TableInheritance({ column: { type: 'text', name: 'kind' } })
class Animal {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
}

@ChildEntity()
class Dog extends Animal {
  @Encrypted({ type: 'string', nullable: true }) trick!: string | null
}

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet, Every, Animal, Dog], {
    logging: false,
    logger: 'debug',
  })
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const person = (id: number, more: object = {}) => ({
  ...{ id, ward: 'A', email: `p${id}@x.org`, income: 5, birthDate: '1990-05-05' },
  ...{ surname: 'Same', chart: { allergies: ['same'] } },
  ...more,
})
const repository = () => setup.dataSource.getRepository(Person)
const rowOf = async (id: number) =>
  (await setup.dataSource.query('SELECT * FROM person WHERE id = $1', [id]))[0]

/** The wrapped DEKs of each row, by row. */
async function wrapsByRow(): Promise<Set<string>[]> {
  const rows: Record<string, unknown>[] = await setup.dataSource.query('SELECT * FROM person')
  return rows.map((row) => {
    const sealed = Object.values(row).filter(
      (cell) => Buffer.isBuffer(cell) && cell.length > 80,
    ) as Buffer[]
    return new Set(sealed.map((cell) => cell.toString('hex', 10, 50)))
  })
}

async function expectOneDekPerRow(count: number): Promise<void> {
  const wraps = await wrapsByRow()
  expect(wraps.map((row) => row.size)).toEqual(Array(count).fill(1))
  expect(new Set(wraps.flatMap((row) => [...row])).size).toBe(count)
}

describe('inserts', () => {
  it('draw one DEK for each row, whichever way they come', async () => {
    await repository().save(
      [person(1), person(2), person(3)].map((one) => repository().create(one)),
    )
    await repository().insert([person(4), person(5, { income: null })])
    await setup.dataSource
      .createQueryBuilder()
      .insert()
      .into(Person)
      .values([person(6), person(7)])
      .execute()
    await expectOneDekPerRow(7)
    await repository().createQueryBuilder().delete().execute()
  })

  it('write tokens and buckets also where into() lists properties', async () => {
    const { dataSource } = setup
    const row = { id: 91, bytes: Buffer.from('b'), big: 1001n }
    const insert = dataSource.createQueryBuilder().insert().into(Every, ['id', 'bytes', 'big'])
    await insert.values(row).execute()
    const found = await dataSource.getRepository(Every).findBy({ bytes: row.bytes, big: 1001n })
    expect(found.map(({ id }) => id)).toEqual([91])
    await dataSource.getRepository(Every).delete(91)
  })

  it('keep the same object inserted twice apart', async () => {
    const values = { bytes: Buffer.from('x'), address: {} } as never
    const rows = setup.dataSource.createQueryBuilder().insert().into(Every)
    const one = Object.assign({}, values, { id: 91 })
    await expect(rows.values([one, one]).execute()).rejects.toMatchObject({ code: '23505' })
  })
})

describe('an INSERT beside whose tuples there is more', () => {
  const insert = () => setup.dataSource.createQueryBuilder().insert().into(Person)
  const namesOf = async (ids: number[]) =>
    (await repository().find({ where: { id: In(ids) }, order: { id: 'ASC' } })).map(
      ({ id, ward, email }) => `${id} ${ward} ${email}`,
    )

  it('numbers its parameters around those of a condition and of RETURNING', async () => {
    await repository().insert(person(60, { email: 'once@x.org' }))
    const { raw } = await insert()
      .values([person(61, { ward: 'B' }), person(62, { ward: 'C', email: 'once@x.org' })])
      .orUpdate(['ward'], ['email_hmac'], {
        upsertType: 'on-conflict-do-update',
        overwriteCondition: { where: { ward: In(['A', 'Z']) } },
      } as never)
      .returning('"id", "ward"')
      .execute()
    expect(raw.map(({ id, ward }: Person) => `${id} ${ward}`)).toEqual(['61 B', '60 C'])
    expect(await namesOf([60, 61, 62])).toEqual(['60 C once@x.org', '61 B p61@x.org'])
  })

  it('takes a common table expression and a comment with parameters of their own', async () => {
    const found = setup.dataSource
      .createQueryBuilder(Person, 'p')
      .select('p.ward', 'ward')
      .where('p.id = :id AND p.email = :email', { id: 60, email: 'ONCE@x.org' })
    await insert()
      .comment(':id (:mortise_tuples) $1')
      .addCommonTableExpression(found, 'other')
      .values([person(63), person(64)])
      .setParameters(found.getParameters())
      .execute()
    expect(await namesOf([63, 64])).toEqual(['63 A p63@x.org', '64 A p64@x.org'])
  })

  it('takes SQL text among the values, with named parameters', async () => {
    const ward = () => "upper(:ward) || ':x'"
    await insert()
      .values([person(65, { ward }), person(66, { ward: 'c' })] as never)
      .setParameter('ward', 'b')
      .execute()
    expect(await namesOf([65, 66])).toEqual(['65 B:x p65@x.org', '66 c p66@x.org'])
  })

  it('refuses a find operator as a value, which a json property would take for an object', async () => {
    const written = { chart: In(['x']) } as never
    for (const refused of [
      () => repository().insert(person(67, written) as never),
      () => repository().update(60, written),
    ]) {
      await expect(refused()).rejects.toMatchObject({
        ...{ code: 'ERR_QUERY_UNSUPPORTED', field: 'Person.chart' },
      })
    }
  })

  it('refuses SQL text that compares ciphertext, among the values', async () => {
    const ward = () => '(SELECT "ward" FROM "person" WHERE "chart" = $1)'
    const refused = insert()
      .values([person(67), person(68, { ward })] as never)
      .execute()
    await expect(refused).rejects.toMatchObject({ code: 'ERR_QUERY_UNSUPPORTED' })
  })

  it('is rendered twice alike, and shows no value as text', async () => {
    const builder = insert().values([person(69, { ward: null }), person(70)] as never)
    const [sql, parameters] = builder.getQueryAndParameters()
    expect(builder.getQueryAndParameters()[0]).toBe(sql)
    expect(parameters).toHaveLength(sql.match(/\$\d+/g)?.length ?? 0)
    expect(JSON.stringify(parameters)).not.toContain('x.org')
    const named = builder.getQuery()
    expect(named.match(/:orm_param_\d+/g)).toHaveLength(parameters.length)
    expect(named.replace(/:orm_param_\d+/g, '$')).toBe(sql.replace(/\$\d+/g, '$'))
    expect(JSON.stringify(Object.values(builder.getParameters()))).toBe(JSON.stringify(parameters))
  })
})

describe('updates', () => {
  it('seal what changed and move its index columns along', async () => {
    await repository().insert(person(10))
    const before = await rowOf(10)
    const found = await repository().findOneByOrFail({ id: 10 })
    await repository().save(Object.assign(found, { email: 'new@x.org', income: null }))
    const after = await rowOf(10)
    expect(after.email_hmac).not.toEqual(before.email_hmac)
    expect([after.income, after.income_lofi]).toEqual([null, null])
    expect(after.surname).toEqual(before.surname)
    await repository().update({ email: 'NEW@x.org' }, { income: 77 })
    expect((await repository().findOneByOrFail({ id: 10 })).income).toBe(77)
    await repository().update(10, { surname: null })
    const { surname, surname_hmac, surname_lofi } = await rowOf(10)
    expect([surname, surname_hmac, surname_lofi]).toEqual([null, null, null])
  })

  it('do not wipe an index by a second save', async () => {
    const saved = await repository().save(repository().create(person(11)))
    await repository().save(Object.assign(saved, { ward: 'B' }))
    await repository().save(Object.assign(saved, { ward: 'C' }))
    expect(Object.keys(saved)).not.toContain('email_hmac')
    expect(await repository().countBy({ email: 'p11@x.org', income: LessThan(6) })).toBe(1)
  })

  it('refuse SQL text, index columns written by hand, and conditions that must be refined', async () => {
    const code = 'ERR_QUERY_UNSUPPORTED'
    const unsupported = { code, message: expect.stringContaining('Person.') }
    const by = { income: LessThan(1) }
    const sql = { email: () => "'x'" } as never
    await expect(repository().update(11, sql)).rejects.toMatchObject(unsupported)
    await expect(repository().update(11, { email_hmac: 'x' } as never)).rejects.toMatchObject({
      code,
    })
    await expect(repository().update(by, { ward: 'Z' })).rejects.toMatchObject(unsupported)
    await expect(repository().delete(by)).rejects.toMatchObject({ code, field: 'Person.income' })
    await expect(repository().increment({ id: 11 }, 'income', 1)).rejects.toMatchObject(unsupported)
  })

  it('delete by a token, and upsert on one', async () => {
    await repository().upsert(person(12, { email: 'P11@X.org', income: 1 }), ['email'])
    expect(await repository().countBy({ email: 'p11@x.org', income: LessThan(2) })).toBe(1)
    expect((await repository().delete({ email: 'p11@x.org' })).affected).toBe(1)
    expect(await repository().existsBy({ email: 'p11@x.org' })).toBe(false)
  })

  it('leave the entity as it was where they return encrypted columns', async () => {
    const given = Object.assign(new Person(), person(31))
    const build = () => repository().createQueryBuilder()
    const inserted = await build().insert().values(given).returning('*').execute()
    expect(inserted.raw[0].email[0]).toBe(0xe1)
    expect(inserted.generatedMaps).toMatchObject([{ id: 31, version: 1 }])
    const set = { income: 6, ward: 'C' }
    const update = build().update().set(set).whereEntity(given)
    await update.returning(['income', 'ward']).execute()
    expect(given).toMatchObject(person(31, { ward: 'C' }))
    expect(await repository().findOneByOrFail({ id: 31 })).toMatchObject(person(31, set))
    await repository().delete(31)
  })

  it('act by a token in brackets', async () => {
    await repository().insert([21, 22, 23].map((id) => person(id)))
    const by = (id: number) => new Brackets((q) => q.where({ email: `p${id}@x.org` }))
    const build = () => repository().createQueryBuilder()
    await build().update().set({ ward: 'B' }).where(by(21)).execute()
    await build().delete().where(by(22)).execute()
    await build()
      .delete()
      .where(new Brackets((q) => q.where(by(23)).orWhere('id = 99')))
      .execute()
    expect(await repository().findBy({ id: In([21, 22, 23]) })).toMatchObject([
      { id: 21, ward: 'B' },
    ])
    await repository().delete(21)
  })
})

describe('an INSERT that would write past the placeholders', () => {
  const unsupported = { code: 'ERR_QUERY_UNSUPPORTED', field: 'Person.email' }
  // Each TypeORM line has methods that the other one lacks.
  type Builder = Record<string, (...parameters: unknown[]) => { execute(): Promise<unknown> }>
  const build = () =>
    setup.dataSource
      .createQueryBuilder()
      .insert()
      .into(Person)
      .values(person(70)) as object as Builder

  it('is refused where it overwrites a value without its index columns', async () => {
    const { orUpdate } = build()
    expect(orUpdate).toBeTypeOf('function')
    for (const columns of [['email'], ['email_hmac'], ['ward', 'email']]) {
      await expect(build().orUpdate?.(columns, ['id']).execute()).rejects.toMatchObject(unsupported)
    }
    await build().orUpdate?.(['email', 'email_hmac', 'ward'], ['id']).execute()
    await build().orUpdate?.(['email', 'email_hmac'], ['id']).execute()
    expect(await repository().countBy({ email: 'p70@x.org' })).toBe(1)
  })

  it('overwrites under a condition that tokens answer', async () => {
    const where = async (condition: unknown) => {
      const options = { overwriteCondition: { where: condition } }
      const written = person(70, { ward: 'over' })
      const insert = setup.dataSource.createQueryBuilder().insert().into(Person).values(written)
      await insert.orUpdate(['ward'], ['id'], options as never).execute()
      return (await repository().findOneByOrFail({ id: 70 })).ward
    }
    await repository().save(person(70))
    expect(await where({ email: 'other@x.org' })).toBe('A')
    await expect(where(`lower(person.email) <> 'x'`)).rejects.toMatchObject(unsupported)
    expect(await where(`person.email <> 'p70@x.org'`)).toBe('A')
    await expect(where({ income: LessThan(9) })).rejects.toMatchObject({
      ...unsupported,
      field: 'Person.income',
    })
    expect(await where({ email: 'P70@x.org' })).toBe('over')
  })

  it('is refused as SQL text, as parameters, and from a SELECT', async () => {
    const { onConflict, valuesFromSelect } = build()
    expect([onConflict, valuesFromSelect].filter((method) => method)).toHaveLength(1)
    if (onConflict) {
      const set = `("id") DO UPDATE SET "email" = 'x'`
      await expect(build().onConflict?.(set).execute()).rejects.toMatchObject(unsupported)
      await build().onConflict?.('("id") DO NOTHING').execute()
      const parameters = { conflict_target: ['id'], columns: ['email'] }
      await expect(build().orUpdate?.(parameters).execute()).rejects.toMatchObject(unsupported)
      return
    }
    const select = setup.dataSource.createQueryBuilder().select("1, 'B', 'x'").from('person', 'p')
    const into = setup.dataSource
      .createQueryBuilder()
      .insert()
      .into(Person, ['id', 'ward', 'email'])
    const copy = (into as object as Builder).valuesFromSelect?.(select)
    await expect(copy?.execute()).rejects.toMatchObject(unsupported)
  })
})

describe('values', () => {
  it('come out as they went in, also embedded', async () => {
    const every = setup.dataSource.getRepository(Every)
    const value = {
      ...{ id: 1, bytes: Uint8Array.of(0, 255), big: -(2n ** 70n), flag: false },
      ...{ at: new Date(-1), json: { a: [null, { b: '' }] }, zero: -0 },
      address: { street: '', zip: 'z' },
    }
    await every.save(every.create(value as never))
    await every.save(await every.findOneByOrFail({ id: 1 }))
    const found = await every.findOneByOrFail({ address: { street: '' } })
    expect(Uint8Array.from(found.bytes as Uint8Array)).toEqual(value.bytes)
    expect({ ...found, bytes: value.bytes, address: { ...found.address } }).toEqual(value)
    expect(await every.countBy({ big: LessThan(0n), at: LessThan(new Date(0)) })).toBe(1)
    expect(await every.countBy({ bytes: Uint8Array.of(0, 255) })).toBe(1)
  })

  it('are sealed in every class of one table', async () => {
    await setup.dataSource.getRepository(Dog).save({ id: 1, name: 'Rex', trick: 'sit' })
    await setup.dataSource.getRepository(Animal).save({ id: 2, name: 'Tom' })
    const dog = await setup.dataSource.getRepository(Animal).findOneByOrFail({ name: 'Rex' })
    expect(dog).toMatchObject({ trick: 'sit' })
    expect(dog).toBeInstanceOf(Dog)
  })
})
