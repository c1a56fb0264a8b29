import { randomUUID } from 'node:crypto'
import { DataSource, IsNull, MoreThan, Not } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKeyring, inAppKeyProvider, memoryKeyStore } from '../../src'
import { census, replayTombstones, type ShredCertificate, shred } from '../../src/rotation'
import { withEncryption } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { type Setup, setUp } from './people'
import { Member, Note, Person, Tenant, Visit } from './tenants'

const ENTITIES = [Tenant, Note, Member, Person, Visit]

let setup: Setup
/** The same database and keys, where shredded values are read as null. */
let lenient: Setup
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, ENTITIES)
  lenient = await another(setup, database, { shredded: 'null' })
})

afterAll(async () => {
  await lenient?.dataSource.destroy()
  await setup?.dataSource.destroy()
  await database?.drop()
})

/** A second process: its own memory, the same database and root key. */
function another({ secret }: Setup, { url }: TestDatabase, more: { shredded?: 'null' } = {}) {
  return setUp(url, ENTITIES, { synchronize: false }, { secret, ...more })
}

let gone: string
let stays: string

beforeEach(async () => {
  gone = `gone ${randomUUID()}`
  stays = `stays ${randomUUID()}`
  await setup.dataSource.query('TRUNCATE tenant, note, member, person, visit')
  await notes().insert([note(1, gone), note(2, stays), note(3, gone)])
})

const notes = ({ dataSource } = setup) => dataSource.getRepository(Note)

function note(id: number, tenantId: string, more: object = {}) {
  return {
    ...{ id, ward: 'A', slug: `s${id}`, tenantId, authorId: '7', score: id },
    ...{ title: `title ${id}`, body: { id }, label: `l${id}` },
    address: { street: `street ${id}`, city: 'X' },
    ...more,
  }
}

async function rows(): Promise<Record<string, Buffer | string | null>[]> {
  return setup.dataSource.query('SELECT * FROM note ORDER BY id')
}

const keyOf = (envelope: unknown) => (envelope as Buffer).toString('hex', 2, 10)
const keyIdsOf = ({ keys }: ShredCertificate) => keys.map(({ id }) => id)

describe('shred()', () => {
  it('empties index columns, destroys the key and certifies both', async () => {
    const before = await rows()
    const certificate = await shred(setup.dataSource, {
      subject: gone,
      actor: 'privacy desk',
      reason: 'request 117',
    })
    const after = await rows()
    const keyId = keyOf(before[0]?.title)
    expect(certificate).toMatchObject({
      ...{ format: 'mortise/shred/1', domain: 'default', actor: 'privacy desk' },
      ...{ reason: 'request 117', keys: [{ id: keyId, before: false }] },
      tables: expect.arrayContaining([
        { table: 'note', clearedRows: 2 },
        { table: 'member', clearedRows: 0 },
      ]),
    })
    expect(Date.now() - Date.parse(certificate.issuedAt)).toBeLessThan(60_000)
    expect(JSON.stringify(certificate)).not.toContain(gone)
    expect(after.map((row) => row.title_hmac === null)).toEqual([true, false, true])
    expect(after.map((row) => row.title_lofi)).toEqual([null, 'ti', null])
    const others = ['title', 'label', 'label_hmac', 'score', 'score_lofi', 'addressStreet']
    for (const name of others) {
      expect(after.map((row) => row[name])).toEqual(before.map((row) => row[name]))
    }
  })

  it('makes every value of the subject unreadable, and no other', async () => {
    await shred(setup.dataSource, { subject: gone })
    const error = { code: 'ERR_SUBJECT_SHREDDED', field: 'Note.title' }
    await expect(notes().findOneBy({ id: 1 })).rejects.toMatchObject(error)
    await expect(notes().findOneBy({ id: 1 })).rejects.not.toThrow(gone)
    await expect(notes().find()).rejects.toMatchObject(error)
    expect(await notes().findOneByOrFail({ id: 2 })).toMatchObject(note(2, stays))
    const rest = await notes().find({ where: { id: 1 }, select: { label: true, score: true } })
    expect(rest).toMatchObject([{ label: 'l1', score: 1 }])
    expect(await notes().find({ where: { title: 'title 1' } })).toEqual([])
    expect(await notes().countBy({ title: MoreThan('a') })).toBe(1)
  })

  it('may be run again, and says that the key was gone', async () => {
    const first = await shred(setup.dataSource, { subject: gone })
    const again = await shred(setup.dataSource, { subject: gone, domain: 'default' })
    expect(again.keys).toEqual(first.keys.map((key) => ({ ...key, before: true })))
    expect(again.tables.map(({ clearedRows }) => clearedRows)).toEqual([0, 0, 0])
    const nobody = await shred(setup.dataSource, { subject: `nobody ${randomUUID()}` })
    expect(nobody.keys).toEqual([])
  })

  it('clears what a late writer left, also after the key was destroyed', async () => {
    const [before] = await rows()
    await shred(setup.dataSource, { subject: gone })
    await setup.dataSource.query('UPDATE note SET title_hmac = $1 WHERE id = 3', [
      before?.title_hmac,
    ])
    const again = await shred(setup.dataSource, { subject: gone })
    expect(again.tables).toContainEqual({ table: 'note', clearedRows: 1 })
    expect((await rows())[2]?.title_hmac).toBeNull()
  })

  it('leaves the subject free to begin again under a new key', async () => {
    const first = await shred(setup.dataSource, { subject: gone })
    await notes().insert(note(4, gone))
    expect(await notes().findOneBy({ title: 'title 4' })).toMatchObject({ id: 4 })
    const second = await shred(setup.dataSource, { subject: gone })
    expect(second.keys).toContainEqual({ ...first.keys[0], before: true })
    expect(second.keys.filter(({ before }) => !before)).toHaveLength(1)
    expect(new Set(keyIdsOf(second)).size).toBe(2)
  })

  it('takes numbers, bigints and UUIDs in any spelling', async () => {
    await notes().insert(note(5, stays, { authorId: '12345' }))
    expect((await shred(setup.dataSource, { subject: 12345n })).keys).toHaveLength(1)
    await expect(notes().findBy({ id: 5 })).rejects.toMatchObject({ field: 'Note.score' })
    const id = randomUUID()
    const people = setup.dataSource.getRepository(Person)
    await people.insert({ id, name: 'Ada' })
    expect((await shred(setup.dataSource, { subject: id.toUpperCase() })).keys).toHaveLength(1)
    const again = await shred(setup.dataSource, { subject: id })
    expect(again.keys).toMatchObject([{ before: true }])
  })

  it('refuses what it cannot do', async () => {
    const config = { code: 'ERR_CONFIG' }
    const { dataSource } = setup
    await expect(shred(dataSource, { subject: gone, domain: 'x' })).rejects.toMatchObject(config)
    await expect(shred({}, { subject: gone })).rejects.toMatchObject(config)
    for (const subject of ['', 1.5, {}, null]) {
      const attempt = shred(dataSource, { subject: subject as string })
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_VALUE_INVALID' })
    }
    expect(await notes().findOneBy({ id: 1 })).toMatchObject({ title: 'title 1' })
  })

  it('with a keyring destroys the key and leaves the tables alone', async () => {
    const certificate = await shred(setup.keyring, { subject: gone })
    expect(certificate).toMatchObject({ tables: [], keys: [{ before: false }] })
    expect((await rows()).map((row) => row.title_hmac === null)).toEqual([false, false, false])
    await expect(notes().findOneBy({ id: 1 })).rejects.toMatchObject({
      code: 'ERR_SUBJECT_SHREDDED',
    })
    const later = await shred(setup.dataSource, { subject: gone })
    expect(later.tables).toContainEqual({ table: 'note', clearedRows: 2 })
    expect(later.keys).toEqual(certificate.keys.map((key) => ({ ...key, before: true })))
  })
})

describe("shredded: 'null'", () => {
  it('reads the values as null, and refines and sorts them so', async () => {
    await shred(lenient.dataSource, { subject: gone })
    const [one, two] = await notes(lenient).find({ order: { id: 'ASC' } })
    expect(one).toMatchObject({
      ...{ tenantId: gone, title: null, body: null, address: { street: null, city: 'X' } },
      ...{ label: 'l1', score: 1 },
    })
    expect(two).toMatchObject(note(2, stays))
    const order = { title: 'ASC', id: 'DESC' } as const
    const ids = (found: Note[]) => found.map(({ id }) => id)
    expect(ids(await notes(lenient).find({ order }))).toEqual([2, 3, 1])
    expect(ids(await notes(lenient).find({ order, take: 2, skip: 1 }))).toEqual([3, 1])
    expect(ids(await notes(lenient).findBy({ title: MoreThan('a') }))).toEqual([2])
    expect(await notes(lenient).countBy({ title: Not('x'), score: MoreThan(0) })).toBe(1)
    // The envelope is still there, and the database is what answers a test for NULL.
    expect(await notes(lenient).countBy({ title: IsNull() })).toBe(0)
  })

  it('does not overwrite them when such an entity is saved', async () => {
    await shred(lenient.dataSource, { subject: gone })
    const before = await rows()
    const found = await notes(lenient).findOneByOrFail({ id: 1 })
    await notes(lenient).save(Object.assign(found, { ward: 'B', label: 'new' }))
    await notes(lenient).save(Object.assign(found, { ward: 'C' }))
    const [after] = await rows()
    for (const name of ['title', 'body', 'addressStreet']) {
      expect(after?.[name]).toEqual(before[0]?.[name])
    }
    expect(after).toMatchObject({ ward: 'C' })
    await notes(lenient).save(Object.assign(found, { title: 'begun again' }))
    expect(await notes(lenient).findOneByOrFail({ title: 'begun again' })).toMatchObject({
      ...{ id: 1, body: null },
    })
  })

  it('reports index columns that outlived the key instead of a row without its value', async () => {
    await shred(lenient.keyring, { subject: gone })
    await expect(notes(lenient).findBy({ title: 'title 1' })).rejects.toMatchObject({
      code: 'ERR_INDEX_MISMATCH',
      field: 'Note.title',
    })
  })

  it('is the only other way to read them', () => {
    const { keyring } = setup
    const shredded = 'skip' as never
    const dataSource = new DataSource({ type: 'postgres' })
    expect(() => withEncryption(dataSource, { keyring, shredded })).toThrow("'throw' or 'null'")
  })
})

describe('replayTombstones()', () => {
  it('destroys again what a restored backup brought back', async () => {
    const own = await createDatabase()
    const before = await setUp(own.url, ENTITIES)
    const { dataSource } = before
    await notes(before).insert([note(1, gone), note(2, stays)])
    const [row] = await dataSource.query('SELECT title_hmac FROM note WHERE id = 1')
    await dataSource.query('CREATE TABLE backup AS SELECT * FROM mortise_subject_key')
    const certificate = await shred(dataSource, { subject: gone })
    await dataSource.query('DELETE FROM mortise_tombstone')
    await dataSource.query(
      'INSERT INTO mortise_subject_key SELECT * FROM backup ON CONFLICT DO NOTHING',
    )
    await dataSource.query('UPDATE note SET title_hmac = $1 WHERE id = 1', [row.title_hmac])
    await dataSource.destroy()
    const restored = await another(before, own)
    expect(await notes(restored).findOneBy({ id: 1 })).toMatchObject({ title: 'title 1' })
    const stored = JSON.parse(JSON.stringify(certificate)) as ShredCertificate
    const report = await replayTombstones(restored.dataSource, [stored, stored])
    expect(report.keys).toBe(1)
    expect(report.tables).toContainEqual({ table: 'note', clearedRows: 1 })
    const shredded = { code: 'ERR_SUBJECT_SHREDDED' }
    await expect(notes(restored).findOneBy({ id: 1 })).rejects.toMatchObject(shredded)
    expect(await notes(restored).findOneBy({ id: 2 })).toMatchObject({ title: 'title 2' })
    expect(await replayTombstones(restored.keyring, [stored])).toEqual({
      keys: 1,
      tables: [],
      returned: [],
    })
    expect(await replayTombstones(restored.keyring, [])).toEqual({
      keys: 0,
      tables: [],
      returned: [],
    })
    await restored.dataSource.destroy()
    await own.drop()
  })

  it('takes whole certificates of its own domain only', async () => {
    const certificate = await shred(setup.dataSource, { subject: gone })
    const changed = { ...certificate, keys: [] }
    const config = { code: 'ERR_CONFIG' }
    await expect(replayTombstones(setup.keyring, [changed])).rejects.toMatchObject(config)
    const providers = [inAppKeyProvider({ name: 'test', secret: setup.secret })]
    const keyring = createKeyring({ providers, domain: 'other', store: memoryKeyStore() })
    await expect(replayTombstones(keyring, [certificate])).rejects.toMatchObject(config)
  })

  it('leaves the census of data keys as it is', async () => {
    await shred(setup.dataSource, { subject: gone })
    const counted = await census(setup.dataSource)
    expect(counted.filter(({ column }) => column === 'label')).toMatchObject([{ count: 3 }])
  })
})
