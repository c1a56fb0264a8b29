import 'reflect-metadata'
import fc from 'fast-check'
import {
  type DataSource,
  Entity,
  EntitySchema,
  Like,
  MoreThan,
  PrimaryColumn,
  VersionColumn,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectEnvelope } from '../../src'
import type { ValueType } from '../../src/envelope/value-type'
import { Encrypted, encryptedColumn } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { setUp } from './people'

// Every type in every shape: declared by decorator and by schema, stored as bytea and as text, strings
// and JSON also compressed, all of them also padded.

const SHAPES = [
  { column: 'bytea' },
  { column: 'text' },
  { column: 'bytea', pad: 48 },
  { column: 'text', pad: 48 },
] as const
const COMPRESSED = [
  { column: 'bytea', compress: true },
  { column: 'text', compress: true },
  { column: 'bytea', compress: true, pad: 48 },
] as const

/**
 * TypeORM's UPDATE copies nested objects key by key, and takes what Object.prototype has under a name,
 * such as `valueOf`, for the copy: it loses such objects, in its own json columns as well.
 */
function hasInheritedName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(
    ([name, inner]) => name in Object.prototype || hasInheritedName(inner),
  )
}

const json = fc
  .jsonValue()
  .filter((value) => value !== null && !hasInheritedName(value))
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((part) => part.repeat(60)),
)

const VALUES: Record<ValueType, fc.Arbitrary<unknown>> = {
  string: text,
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  bigint: fc.bigInt(),
  boolean: fc.boolean(),
  timestamp: fc.date({ noInvalidDate: true }),
  date: fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10)),
  bytes: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  json: fc.oneof(json, fc.array(text)),
}

const TYPES = Object.keys(VALUES) as ValueType[]
const PROPERTIES = TYPES.flatMap((type) => {
  const shapes = type === 'string' || type === 'json' ? [...SHAPES, ...COMPRESSED] : SHAPES
  return shapes.map((shape, i) => ({ name: `${type}${i}`, type, shape }))
})

type Row = Record<string, unknown> & { id: number; version?: number }

@Entity('thing')
class Thing {
  @PrimaryColumn('int') id!: number
  @VersionColumn() version!: number
}
for (const { name, type, shape } of PROPERTIES) {
  Encrypted({ type, nullable: true, ...shape })(Thing.prototype as object as never, name)
}

const thingSchema = new EntitySchema<Row>({
  name: 'thing',
  columns: {
    id: { type: 'int', primary: true },
    version: { type: 'int', version: true },
    ...Object.assign(
      {},
      ...PROPERTIES.map(({ name, type, shape }) =>
        encryptedColumn(name, { type: type as 'string', nullable: true, ...shape }),
      ),
    ),
  },
})

const row: fc.Arbitrary<Row> = fc.record({
  id: fc.constant(0),
  ...Object.fromEntries(
    PROPERTIES.map(({ name, type }) => [name, fc.option(VALUES[type], { freq: 10 })]),
  ),
})

let database: TestDatabase
let dataSource: DataSource | undefined

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  await dataSource?.destroy()
  dataSource = undefined
  await database.drop()
})

describe.each([
  ['a class', Thing],
  ['an EntitySchema', thingSchema],
])('every shape of every type, declared by %s', (_what, entity) => {
  it('comes back as it was saved, and is not written again', async () => {
    dataSource = (await setUp(database.url, [entity])).dataSource
    const things = dataSource.getRepository<Row>('thing')
    let id = 0
    await fc.assert(
      fc.asyncProperty(row, row, async (first, second) => {
        id++
        await things.save(things.create({ ...first, id }))
        const loaded = await things.findOneByOrFail({ id })
        expect({ ...loaded, version: 1 }).toStrictEqual({ ...first, id, version: 1 })
        expect((await things.save(loaded)).version).toBe(1)
        await things.save(Object.assign(loaded, { ...second, id }))
        expect({ ...(await things.findOneByOrFail({ id })), version: 0 }).toStrictEqual({
          ...second,
          id,
          version: 0,
        })
      }),
      { numRuns: process.env.SLOW ? 200 : 12 },
    )
  })
})

/** Lengths that a value of each type may have: short and long. */
const SPREAD: Record<ValueType, readonly unknown[]> = {
  string: ['', 'Ada', 'x'.repeat(40), 'x'.repeat(43)],
  number: [0, -0, 1e300, 0.1],
  bigint: [0n, -1n, 10n ** 40n],
  boolean: [true, false],
  timestamp: [new Date(0), new Date(-1)],
  date: ['0001-01-01', '1815-12-10'],
  bytes: [Buffer.alloc(0), Buffer.alloc(43)],
  json: [{}, [], 'x'.repeat(40), { a: [1, 2, 3] }],
}

describe('pad', () => {
  it('hides the length of every type in steps, in bytea and in text', async () => {
    dataSource = (await setUp(database.url, [Thing])).dataSource
    const things = dataSource.getRepository<Row>('thing')
    const padded = PROPERTIES.filter(({ shape }) => 'pad' in shape && !('compress' in shape))
    const count = Math.max(...Object.values(SPREAD).map((values) => values.length))
    for (let id = 0; id < count; id++) {
      const values = padded.map(({ name, type }) => [name, SPREAD[type].at(id) ?? SPREAD[type][0]])
      await things.save(things.create({ id, ...Object.fromEntries(values) }))
    }
    await things.save(things.create({ id: count, string2: 'x'.repeat(44), json3: 'x'.repeat(44) }))
    const stored = await dataSource.query('SELECT * FROM thing ORDER BY id')
    for (const { name, shape } of padded) {
      const envelopes = stored.slice(0, count).map((one: Row) => one[name]) as (Buffer | string)[]
      const bytes = 98 + 48
      const length = shape.column === 'text' ? 5 + Math.ceil((bytes * 4) / 3) : bytes
      expect(new Set(envelopes.map((one) => one.length)), name).toEqual(new Set([length]))
      for (const envelope of envelopes) {
        expect(inspectEnvelope(envelope)).toMatchObject({
          ...{ ciphertextBytes: 48, flags: { padded: true } },
        })
      }
    }
    const over = stored[count]
    expect([over.string2, over.json3].map((one) => inspectEnvelope(one).ciphertextBytes)).toEqual([
      96, 96,
    ])
  })
})

describe('compress', () => {
  it('shortens what is stored, in bytea and in text, and not what is found', async () => {
    @Entity()
    class Report {
      @PrimaryColumn('int') id!: number
      @Encrypted({ type: 'string', compress: true, exact: true, range: { prefix: 2 } })
      text!: string
      @Encrypted({ type: 'json', compress: true, column: 'text' }) lines!: string[]
      @VersionColumn() version!: number
    }
    dataSource = (await setUp(database.url, [Report])).dataSource
    const reports = dataSource.getRepository(Report)
    const long = 'The patient sleeps well. '.repeat(400)
    await reports.save({ id: 1, text: long, lines: Array(400).fill('no fever') })
    await reports.save({ id: 2, text: 'short', lines: [] })
    const [stored] = await dataSource.query('SELECT * FROM report ORDER BY id')
    expect(stored.text.length).toBeLessThan(300)
    expect(stored.lines.length).toBeLessThan(400)
    expect(await reports.findOneByOrFail({ text: long })).toMatchObject({ id: 1, text: long })
    expect(await reports.find({ order: { text: 'DESC' } })).toMatchObject([
      { id: 2, text: 'short', lines: [] },
      { id: 1, lines: Array(400).fill('no fever') },
    ])
    await reports.save(await reports.findOneByOrFail({ id: 1 }))
    await reports.update({ text: 'short' }, { lines: ['changed'] })
    expect(await reports.find({ order: { id: 'ASC' } })).toMatchObject([
      { version: 1 },
      { lines: ['changed'] },
    ])
  })

  it('begins on a column that has values', async () => {
    @Entity('note')
    class Before {
      @PrimaryColumn('int') id!: number
      @Encrypted('string') text!: string
    }
    @Entity('note')
    class After {
      @PrimaryColumn('int') id!: number
      @Encrypted('string', { compress: true }) text!: string
    }
    const before = await setUp(database.url, [Before])
    const long = 'again and '.repeat(100)
    await before.dataSource.getRepository(Before).save({ id: 1, text: long })
    await before.dataSource.destroy()
    dataSource = (await setUp(database.url, [After], {}, { secret: before.secret })).dataSource
    const notes = dataSource.getRepository(After)
    await notes.save({ id: 2, text: long })
    expect((await notes.find({ order: { id: 'ASC' } })).map((note) => note.text)).toEqual([
      long,
      long,
    ])
  })

  it.each(['number', 'date', 'bytes'] as const)('is refused for %s', (type) => {
    const declare = () => Encrypted({ type, compress: true })
    class Report {}
    expect(() => declare()(Report.prototype as never, 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: 'Report.x' }),
    )
  })
})

describe('enum', () => {
  it('is checked by every way to write, before anything is sent, and never when reading', async () => {
    @Entity()
    class Member {
      @PrimaryColumn('int') id!: number
      @Encrypted({ enum: ['nurse', 'doctor'], nullable: true }) role!: string | null
      @Encrypted({ enum: { 0: 'Low', Low: 0, High: 9, 9: 'High' }, nullable: true }) level?:
        | number
        | null
    }
    const { dataSource: source, log } = await setUp(database.url, [Member])
    dataSource = source
    const members = dataSource.getRepository(Member)
    await members.save([
      { id: 1, role: 'nurse', level: 9 },
      { id: 2, role: null, level: null },
    ])
    const sent = log.length
    const refused = { code: 'ERR_VALUE_INVALID', field: 'Member.role' }
    for (const write of [
      () => members.save({ id: 3, role: 'janitor' }),
      () => members.insert({ id: 3, role: 'janitor' }),
      () => members.update(1, { role: 'janitor' }),
      () => members.upsert({ id: 1, role: 'janitor' }, ['id']),
      () =>
        members.createQueryBuilder().update().set({ role: 'janitor' }).where('id = 1').execute(),
    ]) {
      await expect(write()).rejects.toMatchObject(refused)
      await expect(write()).rejects.not.toThrow(/janitor/)
    }
    await expect(members.update(1, { level: 5 })).rejects.toMatchObject({
      ...{ code: 'ERR_VALUE_INVALID', field: 'Member.level' },
    })
    expect(log.slice(sent).join('\n')).not.toMatch(/^(INSERT|UPDATE)/m)
    expect(await members.find({ order: { id: 'ASC' } })).toMatchObject([
      { role: 'nurse', level: 9 },
      { role: null, level: null },
    ])
  })

  it('is not checked when asking by a range', async () => {
    const acceptLeakage = 'made up for this test'
    @Entity()
    class Ranked {
      @PrimaryColumn('int') id!: number
      @Encrypted({ enum: ['junior', 'senior'], range: { prefix: 2 }, acceptLeakage }) rank!: string
      @Encrypted({ enum: [0, 9], type: 'number', range: { step: 5 }, acceptLeakage }) level!: number
    }
    const { dataSource: source } = await setUp(database.url, [Ranked])
    dataSource = source
    const ranked = dataSource.getRepository(Ranked)
    await ranked.insert({ id: 1, rank: 'senior', level: 9 })
    const asked = [{ rank: MoreThan('principal') }, { rank: Like('se%r') }, { level: MoreThan(5) }]
    for (const where of asked) expect(await ranked.countBy(where)).toBe(1)
    for (const where of [{ rank: 'principal' }, { rank: Like('p%') }, { level: 5 }]) {
      expect(await ranked.findBy(where)).toEqual([])
    }
  })
})
