import 'reflect-metadata'
import {
  Column,
  type DataSource,
  Entity,
  Like,
  MoreThan,
  PrimaryColumn,
  VersionColumn,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateRootKey, inspectEnvelope } from '../../src'
import { census, disableKey, rewrap, rotateKek, shred } from '../../src/rotation'
import { Encrypted } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { pendingStatements } from '../typeorm/data-source'
import { type Setup, setUp } from './people'

@Entity()
class Letter {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', column: 'text', exact: true, range: { prefix: 2 } }) to!: string
  @Encrypted({ type: 'json', column: 'text', nullable: true }) body!: { lines: string[] } | null
  @Encrypted({ type: 'number', range: { step: 10 } }) pages!: number
  @Encrypted({ type: 'bytes', column: 'text', subject: 'tenant', exact: true, nullable: true })
  stamp!: Uint8Array | null
  @VersionColumn() version!: number
}

/** The same table before its storage was changed. */
@Entity('letter')
class LetterBefore {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', exact: true, range: { prefix: 2 } }) to!: string
  @Encrypted({ type: 'json', nullable: true }) body!: { lines: string[] } | null
  @Encrypted({ type: 'number', range: { step: 10 } }) pages!: number
  @Encrypted({ type: 'bytes', subject: 'tenant', exact: true, nullable: true })
  stamp!: Uint8Array | null
  @VersionColumn() version!: number
}

let database: TestDatabase
const opened: DataSource[] = []

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  for (const source of opened.splice(0)) if (source.isInitialized) await source.destroy()
  await database.drop()
})

async function open(entity: new () => object = Letter, options = {}, more = {}): Promise<Setup> {
  const setup = await setUp(database.url, [entity], options, more)
  opened.push(setup.dataSource)
  return setup
}

function letter(id: number, change: Partial<Letter> = {}): Partial<Letter> {
  const stamp = Buffer.from([id, 255, 0])
  return {
    id,
    tenant: 't1',
    to: `Ada ${id}`,
    body: { lines: ['a', ''] },
    pages: id,
    stamp,
    ...change,
  }
}

describe('an encrypted text column', () => {
  it('stores the text form; values are written, read, found and sorted as ever', async () => {
    const { dataSource } = await open()
    const letters = dataSource.getRepository(Letter)
    await letters.save([
      letter(1),
      letter(2, { body: null, stamp: null }),
      letter(3, { to: 'Bob' }),
    ])
    const rows = await dataSource.query('SELECT "to", body, pages, to_hmac FROM letter ORDER BY id')
    expect(rows[0].to).toMatch(/^mrt1\.[A-Za-z0-9_-]{130}/)
    expect(inspectEnvelope(rows[0].body)).toMatchObject({ text: true })
    expect(Buffer.isBuffer(rows[0].pages)).toBe(true)
    expect(rows[0].to_hmac).toHaveLength(17)
    expect(rows[1].body).toBeNull()
    expect(await letters.find({ order: { to: 'DESC' } })).toMatchObject([
      { id: 3, to: 'Bob' },
      { id: 2, to: 'Ada 2', body: null, stamp: null },
      { id: 1, to: 'Ada 1', body: { lines: ['a', ''] }, stamp: Buffer.from([1, 255, 0]) },
    ])
    expect(await letters.countBy({ to: 'Ada 1' })).toBe(1)
    expect(await letters.findBy({ to: MoreThan('Ada 1'), pages: MoreThan(2) })).toHaveLength(1)
    await expect(letters.findBy({ body: Like('%a%') as never })).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
    })
    expect(await pendingStatements(dataSource)).toEqual([])
  })

  it('is not written again where nothing changed, and is where something did', async () => {
    const { dataSource } = await open()
    const letters = dataSource.getRepository(Letter)
    await letters.save(letter(1))
    const read = () => dataSource.query('SELECT "to", body, stamp, version FROM letter')
    const before = await read()
    const loaded = await letters.findOneByOrFail({ id: 1 })
    await letters.save(loaded)
    expect(await read()).toEqual(before)
    loaded.to = 'Eve'
    await letters.save(loaded)
    await letters.update(1, { body: { lines: [] } })
    const after = await read()
    expect(after[0].to).toMatch(/^mrt1\./)
    expect(after[0].body).toMatch(/^mrt1\./)
    expect(after[0]).toMatchObject({ stamp: before[0].stamp, version: 3 })
    expect(await letters.findOneByOrFail({ to: 'Eve' })).toMatchObject({ body: { lines: [] } })
  })

  it('goes through the query cache, and is text in raw results', async () => {
    const { dataSource } = await open(Letter, { cache: true })
    const letters = dataSource.getRepository(Letter)
    await letters.save(letter(1))
    const [stored] = await dataSource.query('SELECT "to" FROM letter')
    for (const _ of [1, 2]) {
      const builder = letters.createQueryBuilder('l').cache(60_000)
      const { entities, raw } = await builder.getRawAndEntities()
      expect(entities).toMatchObject([{ to: 'Ada 1', pages: 1, stamp: Buffer.from([1, 255, 0]) }])
      expect(raw[0].l_to).toBe(stored.to)
    }
    const raw = await letters.createQueryBuilder('l').getRawMany()
    expect(raw[0].l_to).toBe(stored.to)
  })

  it.each([
    ['is no envelope', 'Ada', 'ERR_ENVELOPE_MALFORMED'],
    ['is of another version', `mrt2.${'A'.repeat(200)}`, 'ERR_ENVELOPE_VERSION'],
    ['is padded', (text: string) => `${text}=`, 'ERR_ENVELOPE_MALFORMED'],
    ['was cut', (text: string) => text.slice(0, -3), 'ERR_DECRYPTION_FAILED'],
  ])('refuses a value that %s', async (_what, change, code) => {
    const { dataSource } = await open()
    const letters = dataSource.getRepository(Letter)
    await letters.save(letter(1))
    const [{ to }] = await dataSource.query('SELECT "to" FROM letter')
    const changed = typeof change === 'string' ? change : change(to)
    await dataSource.query('UPDATE letter SET "to" = $1', [changed])
    const reading = letters.find()
    await expect(reading).rejects.toMatchObject({ code, field: 'Letter.to' })
    await expect(reading).rejects.not.toThrow(changed)
  })

  it('is counted, done and shredded', async () => {
    const { dataSource, keyring } = await open()
    const letters = dataSource.getRepository(Letter)
    await letters.save([letter(1), letter(2), letter(3, { tenant: 't2' })])
    const { keyId, previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    expect((await census(dataSource)).find(({ column }) => column === 'to')).toMatchObject({
      ...{ keyId: previousKeyId, count: 3, format: 1 },
    })
    expect(await rewrap(dataSource)).toMatchObject({ done: 11, failedCount: 0, skipped: 0 })
    const counted = await census(dataSource)
    expect(counted.find(({ column }) => column === 'to')).toMatchObject({ keyId, count: 3 })
    expect(counted.find(({ column }) => column === 'stamp')).toMatchObject({
      ...{ subject: true, count: 3 },
    })
    await disableKey(keyring, { keyId: previousKeyId as string })
    expect(await letters.findBy({ to: 'Ada 2' })).toHaveLength(1)
    const { tables } = await shred(dataSource, { subject: 't1' })
    expect(tables).toEqual([{ table: 'letter', clearedRows: 2 }])
    await expect(letters.findBy({ id: 1 })).rejects.toMatchObject({ code: 'ERR_SUBJECT_SHREDDED' })
    expect(await letters.findOneByOrFail({ id: 3 })).toMatchObject({
      stamp: Buffer.from([3, 255, 0]),
    })
    expect((await shred(dataSource, { subject: 't1' })).keys).toMatchObject([{ before: true }])
  })

  it('is made of a bytea column by one statement, which needs no key', async () => {
    const secret = generateRootKey()
    const before = await open(LetterBefore, {}, { secret })
    await before.dataSource.getRepository(LetterBefore).save([letter(1), letter(2)])
    await before.dataSource.destroy()
    const refused = { code: 'ERR_WOULD_DROP_PLAINTEXT', field: 'Letter.to' }
    await expect(open(Letter, {}, { secret })).rejects.toMatchObject(refused)
    await expect(open(Letter, { synchronize: false }, { secret })).rejects.toMatchObject(refused)
    const plain = (await open(LetterBefore, {}, { secret })).dataSource
    for (const column of ['"to"', 'body', 'stamp']) {
      await plain.query(`ALTER TABLE letter ALTER COLUMN ${column} TYPE text
        USING 'mrt1.' || translate(encode(${column}, 'base64'), E'+/=\\n', '-_')`)
    }
    await plain.destroy()
    const { dataSource } = await open(Letter, {}, { secret })
    expect(await dataSource.getRepository(Letter).find({ order: { id: 'ASC' } })).toMatchObject([
      letter(1),
      letter(2),
    ])
    expect(await pendingStatements(dataSource)).toEqual([])
  })

  it('does not take a text column of plaintext for one of envelopes', async () => {
    const { dataSource } = await open(Letter, { synchronize: false })
    await dataSource.synchronize()
    await dataSource.query(`INSERT INTO letter (id, tenant, "to", to_hmac, to_lofi, pages, pages_lofi, version)
      VALUES (1, 't', 'Ada Lovelace', '', '', '', 0, 1)`)
    await dataSource.query('DELETE FROM mortise_index')
    await dataSource.destroy()
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_FIELD_RENAMED',
      message: expect.stringContaining('if it holds plaintext'),
    })
  })

  it('refuses any other type', () => {
    expect(() =>
      Encrypted({ type: 'string', column: 'varchar' as never })(class {}.prototype, 'x'),
    ).toThrow(expect.objectContaining({ code: 'ERR_FIELD_INVALID' }))
  })
})
