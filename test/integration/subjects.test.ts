import { randomUUID } from 'node:crypto'
import { In, LessThan, MoreThan, Not } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { type Setup, setUp } from './people'
import { Entry, Member, Note, Person, Tenant, Visit } from './tenants'

let setup: Setup
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Tenant, Note, Member, Person, Visit, Entry])
})

beforeEach(async () => {
  await setup.dataSource.query('TRUNCATE tenant, note, member, person, visit, entry')
  setup.log.length = 0
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const notes = () => setup.dataSource.getRepository(Note)
const members = () => setup.dataSource.getRepository(Member)

function note(id: number, more: object = {}) {
  return {
    ...{ id, ward: 'A', slug: `s${id}`, tenantId: 'acme', authorId: '7' },
    ...{ title: `title ${id}`, body: { id }, score: id, label: `l${id}` },
    address: { street: `street ${id}`, city: 'X' },
    ...more,
  }
}

type Raw = Record<string, Buffer>

async function rowOf(id: number): Promise<Raw> {
  return (await setup.dataSource.query('SELECT * FROM note WHERE id = $1', [id]))[0]
}

const keyOf = (envelope: Buffer | undefined) => envelope?.toString('hex', 2, 10)
const wrapOf = (envelope: Buffer | undefined) => envelope?.toString('hex', 10, 50)
const sealedColumns = ['title', 'body', 'score', 'label', 'addressStreet']

/** Nothing of a statement that is refused may have been sent. */
async function expectRefused(promise: Promise<unknown>, error: object): Promise<void> {
  setup.log.length = 0
  await expect(promise).rejects.toMatchObject(error)
  const written = setup.log.filter((line) => /^(INSERT|UPDATE)/.test(line))
  expect(written.filter((line) => !line.includes('mortise_'))).toEqual([])
}

describe('inserts', () => {
  it('seal each field under the key of its own subject, with one DEK for each of them', async () => {
    await notes().insert([note(1), note(2), note(3, { tenantId: 'other', authorId: 8 })])
    const [one, two, three] = [await rowOf(1), await rowOf(2), await rowOf(3)]
    expect(sealedColumns.map((name) => one[name]?.[1])).toEqual([4, 4, 4, 0, 4])
    expect(keyOf(one.title)).toBe(keyOf(two.title))
    expect(keyOf(one.title)).not.toBe(keyOf(three.title))
    expect(new Set([one.title, one.score, one.label].map(keyOf)).size).toBe(3)
    expect(new Set([one.title, one.body, one.addressStreet].map(wrapOf)).size).toBe(1)
    const all = [one, two, three].flatMap((row) => [row.title, row.score, row.label])
    expect(new Set(all.map(wrapOf)).size).toBe(9)
  })

  it('read back what went in, whatever is selected', async () => {
    await notes().save([note(1), note(2, { tenantId: 'other' })].map((one) => notes().create(one)))
    const found = await notes().find({ order: { id: 'ASC' } })
    expect(found).toMatchObject([note(1), note(2, { tenantId: 'other' })])
    const [partial] = await notes().find({ where: { id: 1 }, select: { id: true, title: true } })
    expect(partial).toEqual(Object.assign(new Note(), { id: 1, title: 'title 1' }))
    const [street] = await notes().find({ where: { id: 2 }, select: { address: { street: true } } })
    expect(street).toMatchObject({ address: { street: 'street 2' } })
    expect(street?.tenantId).toBeUndefined()
  })

  it('take the subject from a relation, also one that is inserted along', async () => {
    const tenant = { id: randomUUID(), name: 'T' }
    await setup.dataSource.getRepository(Tenant).save({
      ...tenant,
      members: [{ email: 'a@x.org' }, { email: 'b@x.org', phone: '1' }],
    })
    await members().insert({ email: 'c@x.org', tenant })
    await members().save({ email: 'd@x.org', tenant: { id: tenant.id.toUpperCase() } })
    const found = await members().find({ order: { id: 'ASC' } })
    expect(new Set(found.map(({ email }) => email))).toEqual(
      new Set(['a@x.org', 'b@x.org', 'c@x.org', 'd@x.org']),
    )
    const rows: Raw[] = await setup.dataSource.query('SELECT email FROM member')
    expect(new Set(rows.map(({ email }) => keyOf(email))).size).toBe(1)
  })

  it('need a subject that is known before the row is written', async () => {
    const code = 'ERR_ROW_UNKNOWN'
    const field = 'Note.title'
    await expectRefused(notes().insert(note(1, { tenantId: null })), { code, field })
    await expectRefused(notes().insert(note(1, { tenantId: () => "'acme'" })), { code, field })
    await expectRefused(notes().save(notes().create(note(1, { tenantId: undefined }))), {
      code,
      message: expect.stringContaining('Note.tenantId'),
    })
    await expectRefused(members().insert({ email: 'x' }), { code, field: 'Member.email' })
    const people = setup.dataSource.getRepository(Person)
    await expectRefused(people.insert({ name: 'made by the database' }), { code })
    await people.insert({ id: randomUUID(), name: 'made here' })
    const left = setup.dataSource.createQueryBuilder().insert().into(Note, ['id', 'title'])
    await expectRefused(left.values(note(1) as never).execute(), { code })
    await expectRefused(members().save({ email: 'x', tenant: null }), { code })
  })

  it('need no subject where there is nothing to seal for it', async () => {
    await notes().insert(note(1, { authorId: null, score: null }))
    expect(await notes().findOneBy({ id: 1 })).toMatchObject({ score: null, authorId: null })
  })

  it('refuse spellings that the column would not keep', async () => {
    const code = 'ERR_VALUE_INVALID'
    for (const authorId of ['07', '+7', ' 7', '7.0', '', 7.5, {}, true]) {
      await expectRefused(notes().insert(note(1, { authorId })), { code })
    }
    await expectRefused(notes().insert(note(1, { tenantId: '' })), { code })
    const name = 'x'
    const braces = `{${randomUUID()}}`
    await expectRefused(setup.dataSource.getRepository(Person).insert({ id: braces, name }), {
      code,
      field: 'Person.id',
    })
  })

  it('seal the subject that the statement was given, not what the object says later', async () => {
    const value = note(1)
    const inserting = notes().insert(value)
    value.tenantId = 'other'
    await inserting
    expect((await notes().findOneByOrFail({ id: 1 })).title).toBe('title 1')
  })
})

describe('save()', () => {
  it('finds the subject of the row that it updates', async () => {
    await notes().insert([note(1), note(2, { tenantId: 'other' })])
    const before = [await rowOf(1), await rowOf(2)]
    const found = await notes().find({ order: { id: 'ASC' } })
    for (const one of found) one.title = 'new'
    await notes().save(found)
    const after = [await rowOf(1), await rowOf(2)]
    expect(after.map(({ title }) => keyOf(title))).toEqual(before.map(({ title }) => keyOf(title)))
    expect(after.map(({ body }) => wrapOf(body))).toEqual(before.map(({ body }) => wrapOf(body)))
    expect((await notes().find()).map(({ title }) => title)).toEqual(['new', 'new'])
  })

  it('leaves what did not change alone', async () => {
    await notes().insert(note(1))
    setup.log.length = 0
    await notes().save(await notes().findOneByOrFail({ id: 1 }))
    expect(setup.log.filter((line) => line.startsWith('UPDATE'))).toEqual([])
  })

  it('seals all fields of a subject again where it changes', async () => {
    await notes().insert([note(1), note(2, { tenantId: 'other' })])
    const before = await rowOf(1)
    const found = await notes().findOneByOrFail({ id: 1 })
    await notes().save(Object.assign(found, { tenantId: 'other' }))
    const after = await rowOf(1)
    const other = await rowOf(2)
    const moved = [after.title, after.body, after.addressStreet]
    expect(moved.map(keyOf)).toEqual([other.title, other.title, other.title].map(keyOf))
    expect(new Set(moved.map(wrapOf)).size).toBe(1)
    expect(after.title_hmac).toEqual(before.title_hmac)
    expect([after.score, after.label]).toEqual([before.score, before.label])
    expect(await notes().findOneByOrFail({ id: 1 })).toMatchObject(note(1, { tenantId: 'other' }))
    await notes().save(Object.assign(found, { tenantId: 'acme', title: 'both' }))
    expect(await notes().findOneBy({ title: 'both' })).toMatchObject({ tenantId: 'acme', id: 1 })
  })

  it('moves a row with its relation', async () => {
    const tenants = setup.dataSource.getRepository(Tenant)
    const [a, b] = await tenants.save([
      { id: randomUUID(), name: 'a' },
      { id: randomUUID(), name: 'b' },
    ])
    const { id } = await members().save({ email: 'm@x.org', phone: '5', tenant: a as Tenant })
    const found = await members().findOneOrFail({ where: { id }, relations: { tenant: true } })
    await members().save(Object.assign(found, { tenant: b }))
    expect(await members().findOne({ where: { id }, relations: { tenant: true } })).toMatchObject({
      ...{ email: 'm@x.org', phone: '5', tenant: { id: b?.id } },
    })
  })

  it('refuses to change a subject where not all of its values are loaded', async () => {
    await notes().insert(note(1))
    const unsupported = { code: 'ERR_QUERY_UNSUPPORTED' }
    const partial = { id: 1, tenantId: 'other', title: 'x', body: null }
    await expectRefused(notes().save(partial), { ...unsupported, field: 'Note.address.street' })
    const tenants = setup.dataSource.getRepository(Tenant)
    const tenant = await tenants.save({ id: randomUUID(), name: 'a', members: [{ email: 'e' }] })
    await expectRefused(tenants.save({ ...tenant, members: [] }), {
      ...unsupported,
      field: 'Member.email',
    })
    expect(await notes().findOneByOrFail({ id: 1 })).toMatchObject(note(1))
  })

  it('refuses to take a subject away, however its relation is set', async () => {
    const tenants = setup.dataSource.getRepository(Tenant)
    const [a, b] = [randomUUID(), randomUUID()]
    await tenants.insert([a, b].map((id) => ({ id, name: id })))
    const visits = setup.dataSource.getRepository(Visit)
    await members().insert({ email: 'm@x.org', tenant: { id: a } })
    const member = await members().findOneByOrFail({ email: 'm@x.org' })
    const unsupported = { code: 'ERR_QUERY_UNSUPPORTED', field: 'Member.email' }
    const relation = (entity: object, name: string) =>
      setup.dataSource.createQueryBuilder().relation(entity as never, name)
    await expectRefused(relation(Member, 'tenant').of(member.id).set(b), unsupported)
    await expectRefused(relation(Member, 'tenant').of(member).set(null), unsupported)
    await expectRefused(relation(Tenant, 'members').of(b).add(member.id), unsupported)
    await expectRefused(relation(Tenant, 'members').of(a).remove(member.id), unsupported)
    await expectRefused(members().update(member.id, { tenant: null }), unsupported)
    expect(await relation(Tenant, 'members').of(a).loadMany()).toEqual([member])
    const person = { id: randomUUID(), name: 'p' }
    await setup.dataSource.getRepository(Person).insert(person)
    await visits.insert({ id: 1, ownerId: person.id, personId: person.id, reason: 'x', note: 'y' })
    const code = 'ERR_QUERY_UNSUPPORTED'
    const field = 'Visit.note'
    await expectRefused(visits.update(1, { person: null }), { code, field })
    await expectRefused(visits.update(1, { person: b as never }), { code, field })
    const visit = await visits.findOneByOrFail({ id: 1 })
    await expectRefused(visits.save({ ...visit, person: null }), { code: 'ERR_ROW_UNKNOWN', field })
    expect(await visits.find()).toMatchObject([{ personId: person.id, note: 'y' }])
  })

  it('refuses a partial entity whose subject is not loaded', async () => {
    await notes().insert(note(1))
    await expectRefused(notes().save({ id: 1, title: 'x' }), { code: 'ERR_ROW_UNKNOWN' })
    await notes().save({ id: 1, ward: 'B', label: 'no subject' })
    await notes().save({ id: 1, tenantId: 'acme', title: 'x' })
    expect(await notes().findOneBy({ id: 1 })).toMatchObject({ title: 'x', label: 'no subject' })
  })
})

describe('columns with update: false', () => {
  const entries = () => setup.dataSource.getRepository(Entry)
  const entry = { id: 1, fixedTo: 'a', movedTo: 'b', text: 'text', stamp: 'stamp' }

  beforeEach(() => entries().insert(entry))

  it('keep a value where its subject cannot change', async () => {
    const found = await entries().findOneByOrFail({ id: 1 })
    const changed = entries().save({ ...found, fixedTo: 'other', text: 'new' })
    await expectRefused(changed, { code: 'ERR_ROW_UNKNOWN', field: 'Entry.text' })
    await entries().save({ ...found, fixedTo: 'other', text: 'text' })
    await entries().save({ ...found, text: 'newer' })
    expect(await entries().find()).toEqual([{ ...entry, text: 'newer' }])
  })

  it('keep a subject where its value cannot be sealed again', async () => {
    const found = await entries().findOneByOrFail({ id: 1 })
    const unsupported = { code: 'ERR_QUERY_UNSUPPORTED', field: 'Entry.stamp' }
    await expectRefused(entries().save({ ...found, movedTo: 'c' }), unsupported)
    await expectRefused(entries().update(1, { movedTo: 'c', stamp: 'x' }), unsupported)
    expect(await entries().find()).toEqual([entry])
  })
})

describe('update()', () => {
  beforeEach(() => notes().insert([note(1), note(2), note(3, { tenantId: 'other' })]))

  it('seals where the condition fixes the subject', async () => {
    await notes().update({ tenantId: 'acme' }, { title: 'bulk' })
    await notes().update({ tenantId: 'acme', id: 2 }, { tenantId: 'acme', body: { x: 1 } })
    await notes()
      .createQueryBuilder()
      .update()
      .set({ score: 99 })
      .where({ authorId: 7 })
      .andWhere({ ward: 'A' })
      .execute()
    const found = await notes().find({ order: { id: 'ASC' } })
    expect(found.map(({ title }) => title)).toEqual(['bulk', 'bulk', 'title 3'])
    expect(found.map(({ score }) => score)).toEqual([99, 99, 99])
    expect(found[1]?.body).toEqual({ x: 1 })
  })

  it('seals by the id of a row that is its own subject', async () => {
    const people = setup.dataSource.getRepository(Person)
    const id = randomUUID()
    await people.insert({ id, name: 'before' })
    await people.update(id, { name: 'after' })
    await people.update({ id: id.toUpperCase() }, { name: 'AFTER' })
    expect(await people.findOneBy({ name: 'AFTER' })).toMatchObject({ id })
  })

  it('may move rows where it gives all fields of the subject', async () => {
    const all = { title: 't', body: null, address: { street: 's' } }
    await notes().update(1, { tenantId: 'third', ...all })
    expect(await notes().findOneByOrFail({ id: 1 })).toMatchObject({ tenantId: 'third', ...all })
  })

  it('refuses everything else before it is sent', async () => {
    const unknown = { code: 'ERR_ROW_UNKNOWN', field: 'Note.title' }
    const title = 'x'
    await expectRefused(notes().update(1, { title }), unknown)
    await expectRefused(notes().update({ tenantId: In(['acme', 'x']) }, { title }), unknown)
    await expectRefused(notes().update({ tenantId: Not('acme') }, { title }), unknown)
    const build = () => notes().createQueryBuilder().update().set({ title })
    await expectRefused(build().execute(), unknown)
    const fixed = { tenantId: 'acme' }
    await expectRefused(build().where(fixed).orWhere({ id: 3 }).execute(), unknown)
    await expectRefused(build().where(fixed).andWhere('id = 1 OR id = 3').execute(), unknown)
    await expectRefused(
      build()
        .where([fixed, { id: 3 }])
        .execute(),
      unknown,
    )
    await expectRefused(notes().update(fixed, { tenantId: null, title, body: null }), {
      code: 'ERR_QUERY_UNSUPPORTED',
      field: 'Note.address.street',
    })
    const moved = { tenantId: () => "'y'", title } as never
    await expectRefused(notes().update(fixed, moved), { code: 'ERR_QUERY_UNSUPPORTED' })
    await expectRefused(notes().increment({ id: 1 }, 'authorId', 1), {
      code: 'ERR_QUERY_UNSUPPORTED',
      field: 'Note.score',
    })
    await expectRefused(notes().update({ authorId: '07' }, { score: 1 }), {
      code: 'ERR_VALUE_INVALID',
    })
    await notes().update(1, { body: null, label: 'plain' })
    expect(await notes().findOneBy({ label: 'plain' })).toMatchObject({ body: null })
  })
})

describe('upsert()', () => {
  beforeEach(() => notes().insert(note(1)))

  it('overwrites the subject with all of its fields, or has it in the conflict target', async () => {
    await notes().upsert(note(1, { tenantId: 'other', title: 'up' }), ['id'])
    expect(await notes().findOneByOrFail({ id: 1 })).toMatchObject({
      ...{ tenantId: 'other', title: 'up', body: { id: 1 } },
    })
    const sameRow = { id: 1, ward: 'C', slug: 's1', label: 'l', tenantId: 'other' }
    await notes().upsert({ ...sameRow, title: 'again' }, ['tenantId', 'slug'])
    expect(await notes().findOneByOrFail({ id: 1 })).toMatchObject({
      ...{ title: 'again', body: { id: 1 }, ward: 'C' },
    })
  })

  it('is refused where a value and its subject could part', async () => {
    const build = () => setup.dataSource.createQueryBuilder().insert().into(Note).values(note(1))
    await expectRefused(build().orUpdate(['title', 'title_hmac', 'title_lofi'], ['id']).execute(), {
      code: 'ERR_ROW_UNKNOWN',
      field: 'Note.title',
    })
    const unsupported = { code: 'ERR_QUERY_UNSUPPORTED' }
    const { title, ...less } = note(1)
    await expectRefused(notes().upsert(less, ['id']), { ...unsupported, field: 'Note.title' })
    await expectRefused(build().orUpdate(['tenantId'], ['id']).execute(), unsupported)
    await expectRefused(build().orUpdate(['label'], ['id']).execute(), {
      ...unsupported,
      field: 'Note.label',
    })
    await build().orUpdate(['ward'], ['id']).execute()
    await build().orIgnore().execute()
    expect(await notes().findOneByOrFail({ id: 1 })).toMatchObject(note(1))
  })
})

describe('reading', () => {
  beforeEach(() =>
    notes().insert([1, 2, 3, 4].map((id) => note(id, { tenantId: id % 2 ? 'odd' : 'even' }))),
  )

  it('refines, sorts, pages and counts across subjects', async () => {
    const where = { title: MoreThan('title 1'), score: LessThan(4) }
    const order = { title: 'DESC' } as const
    expect((await notes().find({ where, order })).map(({ id }) => id)).toEqual([3, 2])
    expect((await notes().find({ where, order, take: 1, skip: 1 })).map(({ id }) => id)).toEqual([
      2,
    ])
    const select = { id: true } as const
    expect(await notes().find({ where, order, select, take: 1 })).toEqual([
      Object.assign(new Note(), { id: 3 }),
    ])
    expect(await notes().countBy(where)).toBe(2)
    expect(await notes().existsBy({ score: MoreThan(4) })).toBe(false)
    expect(await notes().findOneBy({ title: 'title 2', label: 'l2' })).toMatchObject({ id: 2 })
  })

  it('tells rows apart where their ids are not selected', async () => {
    const find = async (more: object) =>
      (await notes().find({ select: { title: true }, ...more })).map(({ title }) => title)
    const all = ['title 1', 'title 2', 'title 3', 'title 4']
    expect((await find({})).sort()).toEqual(all)
    expect((await find({ where: { score: LessThan(4) } })).sort()).toEqual(all.slice(0, 3))
    const order = { title: 'DESC' }
    expect(await find({ order })).toEqual([...all].reverse())
    expect(await find({ order, take: 2, skip: 1 })).toEqual(['title 3', 'title 2'])
    const pojo = notes().createQueryBuilder('n').setOption('create-pojo')
    const [one] = await pojo.where({ score: LessThan(2) }).getMany()
    expect(Object.getPrototypeOf(one)).toBe(Object.prototype)
  })

  it('gives relations by both strategies, lazy ones and unselected fields', async () => {
    const id = randomUUID()
    const person = await setup.dataSource.getRepository(Person).save({ id, name: 'Ada' })
    const visits = setup.dataSource.getRepository(Visit)
    await visits.insert({ id: 1, ownerId: id, person, reason: 'because' })
    const [named] = await visits.find({ select: { reason: true }, relations: { person: true } })
    expect(named).toMatchObject({ reason: 'because', person: { name: 'Ada' } })
    expect(named?.ownerId).toBeUndefined()
    const tenant = { id: randomUUID(), name: 'T', members: [{ email: 'a' }, { email: 'b' }] }
    await setup.dataSource.getRepository(Tenant).save(tenant)
    for (const relationLoadStrategy of ['join', 'query'] as const) {
      const [found] = await setup.dataSource.getRepository(Tenant).find({
        where: { id: tenant.id },
        relations: { members: true },
        relationLoadStrategy,
        take: 5,
      })
      expect(new Set(found?.members.map(({ email }) => email))).toEqual(new Set(['a', 'b']))
    }
    const [lazy] = await setup.dataSource.getRepository(Person).find()
    expect(await lazy?.visits).toHaveLength(1)
  })

  it('leaves raw results as they are', async () => {
    const query = notes().createQueryBuilder('n').select(['n.id', 'n.title']).where({ id: 1 })
    const { raw, entities } = await query.getRawAndEntities()
    expect(entities[0]).toMatchObject({ title: 'title 1' })
    expect(Object.keys(raw[0] as object).sort()).toEqual(['n_id', 'n_title'])
    const [row] = await query.getRawMany()
    expect([row.n_title[0], Object.keys(row).length]).toEqual([0xe1, 2])
  })

  it('refuses a value in the row of another subject', async () => {
    const failed = { code: 'ERR_DECRYPTION_FAILED', field: 'Note.title' }
    await setup.dataSource.query(`UPDATE note SET "tenantId" = 'even' WHERE id = 1`)
    await expect(notes().find()).rejects.toMatchObject(failed)
    await expect(notes().find({ select: { title: true } })).rejects.toMatchObject(failed)
    await setup.dataSource.query('UPDATE note SET "tenantId" = NULL WHERE id = 1')
    await expect(notes().findBy({ id: 1 })).rejects.toMatchObject(failed)
    expect(await notes().find({ where: { id: 1 }, select: { label: true } })).toHaveLength(1)
    const swapped = 'UPDATE note SET title = (SELECT title FROM note WHERE id = 2) WHERE id = 3'
    await setup.dataSource.query(swapped)
    await expect(notes().findBy({ id: 3 })).rejects.toMatchObject(failed)
    const cleared = 'UPDATE note SET title = set_byte(title, 1, 0) WHERE id = 2'
    await setup.dataSource.query(cleared)
    await expect(notes().findBy({ id: 2 })).rejects.toMatchObject({ code: 'ERR_ENVELOPE_FLAGS' })
  })
})

describe('leaks', () => {
  it('show the subject in its own column and nowhere else', async () => {
    const tenantId = 'Xylophone-Quagga-Inc'
    await notes().save(notes().create(note(1, { tenantId })))
    await notes().find({ select: { title: true } })
    await notes().update({ tenantId }, { title: 'x' })
    const tables: { name: string }[] = await setup.dataSource.query(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    )
    expect(tables.length).toBeGreaterThan(8)
    for (const { name } of tables) {
      const rows = await setup.dataSource.query(`SELECT t::text AS text FROM "${name}" t`)
      const text = rows.map((row: { text: string }) => row.text).join('\n')
      const spellings = [tenantId, Buffer.from(tenantId).toString('hex')]
      const found = spellings.filter((one) => text.toLowerCase().includes(one.toLowerCase()))
      expect(found).toEqual(name === 'note' ? [tenantId] : [])
    }
    const keyStore = setup.log.filter((line) => line.includes('mortise_'))
    expect(keyStore.filter((line) => line.includes(tenantId))).toEqual([])
  })
})
