import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import {
  ChildEntity,
  Column,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  TableInheritance,
} from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rewrap, rotateKek } from '../../src/rotation'
import { Encrypted } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { type Setup, setUp } from './people'

class Contact {
  @Encrypted({ type: 'string', bindRow: true, nullable: true }) phone!: string | null
}

@Entity()
class Chart {
  @PrimaryColumn('uuid') id: string = randomUUID()
  @Column('text', { nullable: true }) ward!: string | null
  @Encrypted({ type: 'string', bindRow: true, exact: true, nullable: true }) code!: string | null
  @Encrypted({ type: 'number', bindRow: true, range: { step: 10 }, nullable: true })
  weight!: number | null
  @Encrypted({ type: 'string', nullable: true }) free!: string | null
  @Column(() => Contact) contact!: Contact
  @OneToMany('Note', 'chart', { cascade: true }) notes!: Note[]
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Note {
  @PrimaryColumn('bigint') id!: string
  @Encrypted({ type: 'string', bindRow: true }) text!: string
  @ManyToOne('Chart', 'notes', { lazy: true, nullable: true }) chart!: Promise<Chart | null> | Chart
}

@ChildEntity()
class SignedNote extends Note {
  @Encrypted({ type: 'string', bindRow: true, nullable: true }) by!: string | null
}

@Entity()
class Label {
  @PrimaryColumn('text') id!: string
  @Encrypted({ type: 'string', bindRow: true }) text!: string
}

/** The forms that TypeORM 0.3 still has. */
interface OldConflicts {
  onConflict?(statement: string): OldConflicts
  orUpdate(statement: object): OldConflicts
  execute(): Promise<unknown>
}

let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Chart, Note, SignedNote, Label], {
    cache: { type: 'database', tableName: 'result_cache' },
  })
})

beforeEach(async () => {
  await setup.dataSource.query('TRUNCATE chart, note, label CASCADE')
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const charts = () => setup.dataSource.getRepository(Chart)
const notes = () => setup.dataSource.getRepository(Note)
const chart = (values: Partial<Chart> = {}) =>
  charts().create({ code: 'a', weight: 5, free: 'f', ...values, contact: { phone: '1' } })

const saved = async (rows: Chart[]) => (await charts().save(rows)) as [Chart, Chart]

const decryptionFailed = { code: 'ERR_DECRYPTION_FAILED' }
const rowUnknown = { code: 'ERR_ROW_UNKNOWN' }

/** Gives one row the envelope of another. */
const swap = (table: string, column: string, from: unknown, to: unknown) =>
  setup.dataSource.query(
    `UPDATE ${table} SET "${column}" = (SELECT "${column}" FROM ${table} WHERE id = $1) WHERE id = $2`,
    [from, to],
  )

describe('a value that is bound to its row', () => {
  it('opens in it, after inserts and changes of every kind, and in no other', async () => {
    const [a, b] = await saved([chart({ code: 'a' }), chart({ code: 'b' })])
    await charts().save({ ...a, code: 'a2' } as Chart)
    await charts().update(b.id, { weight: 25, contact: { phone: '2' } })
    await charts().update({ id: b.id }, { code: 'b2' })
    const found = await charts().find({ order: { weight: 'ASC' } })
    expect(found.map(({ code, weight, contact }) => [code, weight, contact.phone])).toEqual([
      ['a2', 5, '1'],
      ['b2', 25, '2'],
    ])
    await swap('chart', 'code', a.id, b.id)
    await expect(charts().findOneByOrFail({ id: b.id })).rejects.toMatchObject({
      ...decryptionFailed,
      field: 'Chart.code',
    })
    expect(await charts().findOneByOrFail({ id: a.id })).toMatchObject({ code: 'a2' })
    await swap('chart', 'code', b.id, b.id)
    await swap('chart', 'free', a.id, b.id)
    const free = { select: { id: true, free: true }, where: { id: b.id } } as const
    expect(await charts().findOneOrFail(free)).toMatchObject({ free: 'f' })
  })

  it('is refused where it was moved, whatever else of the row is selected', async () => {
    const [a, b] = await saved([chart({ code: 'a' }), chart({ code: 'b' })])
    await swap('chart', 'code', a.id, b.id)
    await swap('chart', 'contactPhone', a.id, b.id)
    for (const read of [
      () => charts().find({ select: { code: true } }),
      () => charts().createQueryBuilder('c').select('c.code').getMany(),
      () => charts().createQueryBuilder('c').select(['c.contact.phone']).getMany(),
      () => charts().find({ order: { weight: 'ASC' }, take: 5 }),
      () => charts().find({ select: { id: true, weight: true, code: true }, cache: true }),
    ]) {
      await expect(read()).rejects.toMatchObject(decryptionFailed)
    }
    expect(await charts().find({ select: { id: true, weight: true } })).toHaveLength(2)
  })

  it('is refused where its row was found by a moved bucket that must be opened', async () => {
    const [a, b] = await saved([chart({ weight: 5 }), chart({ weight: 6 })])
    await swap('chart', 'weight', a.id, b.id)
    const count = charts().createQueryBuilder('c').where('c.weight > 5').getCount()
    await expect(count).rejects.toMatchObject(decryptionFailed)
  })

  it('comes back from the query cache', async () => {
    await charts().save(chart({ code: 'cached' }))
    const read = () => charts().find({ where: { code: 'cached' }, cache: 10_000 })
    expect(await read()).toMatchObject([{ code: 'cached' }])
    expect(await read()).toMatchObject([{ code: 'cached' }])
  })

  it('is written with cascades, inheritance and lazy relations, under any type of key', async () => {
    const signed = Object.assign(new SignedNote(), { id: '12', text: 's', by: 'me' })
    const plain = Object.assign(new Note(), { id: '-9007199254740993', text: 'n' })
    const one = await charts().save(chart({ notes: [signed, plain] }))
    const [found] = await charts().find({ where: { id: one.id }, relations: { notes: true } })
    expect(found?.notes.map(({ text }) => text).sort()).toEqual(['n', 's'])
    const [first] = await notes().find({ where: { id: '12' } })
    expect(first).toMatchObject({ text: 's', by: 'me' })
    expect((await (first as Note).chart)?.code).toBe('a')
    await swap('note', 'text', '12', '-9007199254740993')
    await expect(notes().find()).rejects.toMatchObject(decryptionFailed)
    const labels = setup.dataSource.getRepository(Label)
    await labels.insert([
      { id: 'ä', text: '1' },
      { id: ' ', text: '2' },
    ])
    expect(await labels.find({ order: { id: 'ASC' } })).toHaveLength(2)
  })

  it('moves to a new KEK without losing its row', async () => {
    const one = await charts().save(chart({ code: 'old' }))
    const { keyId } = await rotateKek(setup.keyring, { purpose: 'data' })
    expect(await rewrap(setup.dataSource)).toMatchObject({ keyId, failedCount: 0 })
    expect(await charts().findOneByOrFail({ id: one.id })).toMatchObject({ code: 'old' })
  })

  it('opens after random writes, and no swap of two envelopes of a column goes unseen', async () => {
    const write = fc.record({
      code: fc.option(fc.string({ unit: 'grapheme' })),
      weight: fc.option(fc.integer()),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 2, maxLength: 5 }), async (values) => {
        await setup.dataSource.query('TRUNCATE chart CASCADE')
        const rows = await charts().save(values.map((one) => chart(one)))
        const found = new Map((await charts().find()).map((one) => [one.id, one]))
        for (const row of rows) expect(found.get(row.id)).toMatchObject({ code: row.code })
        const [a, b] = rows.filter(({ code }) => code !== null)
        if (!a || !b) return
        await swap('chart', 'code', a.id, b.id)
        await expect(charts().findOneBy({ id: b.id })).rejects.toMatchObject(decryptionFailed)
      }),
      { numRuns: process.env.SLOW === '1' ? 200 : 15 },
    )
  })
})

describe('a row that is not known', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['an insert without a key', () => notes().insert({ text: 'x' })],
    ['an insert with a key in SQL', () => notes().insert({ id: (() => '7') as never, text: 'x' })],
    ['an update by another column', () => charts().update({ ward: 'A' }, { code: 'x' })],
    ['an update by a token', () => charts().update({ code: 'a' }, { code: 'x' })],
    [
      'an update of all rows',
      () => charts().createQueryBuilder().update().set({ code: 'x' }).execute(),
    ],
    ['an update of two rows', () => charts().update([randomUUID(), randomUUID()], { code: 'x' })],
    [
      'an update by SQL text',
      () =>
        charts()
          .createQueryBuilder()
          .update()
          .set({ code: 'x' })
          .where('id = :id', { id: randomUUID() })
          .execute(),
    ],
    [
      'an upsert that another column decides',
      () =>
        setup.dataSource
          .createQueryBuilder()
          .insert()
          .into(Label)
          .values({ id: 'l', text: 'x' })
          .orUpdate(['text'], 'some_constraint')
          .execute(),
    ],
  ])('%s is refused before anything is sent', async (_, write) => {
    setup.log.length = 0
    await expect((async () => write())()).rejects.toMatchObject(rowUnknown)
    expect(setup.log.filter((line) => /^(INSERT|UPDATE)/.test(line))).toEqual([])
  })

  it('gets no other key by the old forms of a conflict either', async () => {
    const one = await charts().save(chart())
    const insert = () => {
      const builder = setup.dataSource.createQueryBuilder().insert().into(Chart)
      return builder.values({ ...one }) as object as OldConflicts
    }
    // TypeORM 1.x has neither of them.
    const { onConflict } = insert()
    if (!onConflict) return
    const set = '("id") DO UPDATE SET "id" = gen_random_uuid()'
    const columns = { conflict_target: ['id'], columns: ['id'] }
    for (const builder of [insert().onConflict?.(set), insert().orUpdate(columns)]) {
      await expect(builder?.execute()).rejects.toMatchObject({ code: 'ERR_QUERY_UNSUPPORTED' })
    }
    expect(await charts().find()).toMatchObject([{ id: one.id, code: 'a' }])
  })

  it('may have its plain columns updated, and be upserted by its key', async () => {
    const one = await charts().save(chart({ ward: 'A' }))
    await charts().update({ ward: 'A' }, { ward: 'B', free: 'g' })
    await charts().upsert({ ...one, ward: 'C', code: 'up' }, ['id'])
    expect(await charts().find()).toMatchObject([{ ward: 'C', code: 'up', id: one.id }])
  })

  it('does not get another key', async () => {
    const one = await charts().save(chart())
    const moved = charts().update({ id: one.id }, { id: randomUUID() })
    await expect(moved).rejects.toMatchObject({ code: 'ERR_QUERY_UNSUPPORTED' })
    await charts().update({ id: one.id }, { id: one.id, ward: 'same' })
    expect(await charts().findOneByOrFail({ id: one.id })).toMatchObject({
      ward: 'same',
      code: 'a',
    })
  })
})
