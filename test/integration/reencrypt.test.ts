import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { Column, type DataSource, Entity, PrimaryColumn, VersionColumn } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inspectEnvelope } from '../../src'
import { reencrypt, rewrap, rotateKek, shred, verify } from '../../src/rotation'
import { Encrypted } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { type Setup, setUp } from './people'

/** Every type of bucket, both forms of storage, bound values and values of a subject, in one row. */
@Entity()
class Dossier {
  @PrimaryColumn('uuid') id!: string
  @Column('text') tenant!: string
  @Encrypted({
    type: 'string',
    nullable: true,
    exact: { normalize: 'email' },
    range: { prefix: 2 },
  })
  email!: string | null
  @Encrypted({ type: 'number', nullable: true, bindRow: true, range: { step: 1.7 } })
  amount!: number | null
  @Encrypted({ type: 'bigint', nullable: true, column: 'text', range: { step: 1000n } })
  balance!: bigint | null
  @Encrypted({
    type: 'timestamp',
    nullable: true,
    range: { truncate: 'hour' },
    acceptLeakage: 'a test of its bucket',
  })
  seen!: Date | null
  @Encrypted({ type: 'date', nullable: true, exact: true, range: { truncate: 'month' } })
  born!: string | null
  @Encrypted({ type: 'number', nullable: true, range: { edges: [0, 10] } }) grade!: number | null
  @Encrypted({ type: 'number', nullable: true, range: { decimals: 2 } }) rate!: number | null
  @Encrypted({ type: 'json', nullable: true, subject: 'tenant', compress: true, pad: 64 })
  chart!: { notes: string[] } | null
  @Encrypted({
    type: 'string',
    nullable: true,
    column: 'text',
    subject: 'tenant',
    exact: true,
    bindRow: true,
  })
  secret!: string | null
  @VersionColumn() version!: number
}

const SUBJECT_FIELDS = ['chart', 'secret']
const FIELDS = ['email', 'amount', 'balance', 'seen', 'born', 'grade', 'rate', ...SUBJECT_FIELDS]

type Values = Partial<Omit<Dossier, 'id' | 'version'>>
type Stored = Record<string, Buffer | string | number | null>

let database: TestDatabase
let setup: Setup
let dataSource: DataSource

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Dossier])
  dataSource = setup.dataSource
})

afterAll(async () => {
  await dataSource?.destroy()
  await database?.drop()
})

beforeEach(() => dataSource.getRepository(Dossier).clear())

const stored = (): Promise<Stored[]> => dataSource.query('SELECT * FROM dossier ORDER BY id')

/** Which DEK each value is under, by its commitment. */
const deksOf = (row: Stored): Map<string, string> =>
  new Map(
    FIELDS.filter((field) => row[field] !== null).map((field) => {
      const value = row[field] as Buffer | string
      const bytes =
        typeof value === 'string' ? Buffer.from(value.slice('mrt1.'.length), 'base64url') : value
      return [field, bytes.toString('hex', 50, 82)]
    }),
  )

const withoutEnvelopes = (row: Stored): Stored =>
  Object.fromEntries(Object.entries(row).filter(([column]) => !FIELDS.includes(column)))

const text = fc.string({ unit: 'grapheme-ascii', maxLength: 12 })
const number = fc.double({ noNaN: true, noDefaultInfinity: true })
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 4 })
const valuesOf = {
  tenant: fc.constantFrom('a', 'b'),
  email: optional(fc.emailAddress()),
  amount: optional(number),
  balance: optional(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n })),
  seen: optional(
    fc.date({ min: new Date('-004712-01-01'), max: new Date(8.64e15), noInvalidDate: true }),
  ),
  born: optional(
    fc
      .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 10)),
  ),
  grade: optional(number),
  rate: optional(number),
  chart: optional(fc.record({ notes: fc.array(text) })),
  secret: optional(text),
}
const dossiers = fc.array(fc.record(valuesOf), { minLength: 1, maxLength: 8 })
/** What a later `save()` changes, under a DEK of its own. */
const changes = fc.array(fc.record({ email: valuesOf.email, secret: valuesOf.secret }), {
  maxLength: 4,
})

async function save(given: readonly Values[], changed: readonly Values[]): Promise<void> {
  const repository = dataSource.getRepository(Dossier)
  const rows = await repository.save(
    given.map((values) => repository.create({ id: randomUUID(), ...values } as Dossier)),
  )
  for (const [i, values] of changed.slice(0, rows.length).entries()) {
    await repository.save({ ...rows[i], ...values } as Dossier)
  }
}

describe('reencrypt and verify', () => {
  it('give every row one fresh DEK for each owner; values, indexes and all other columns stay', async () => {
    const repository = dataSource.getRepository(Dossier)
    const order = { id: 'ASC' } as const
    await fc.assert(
      fc.asyncProperty(dossiers, changes, fc.boolean(), async (given, changed, isRotated) => {
        await repository.clear()
        await save(given, changed)
        const [values, before] = [await repository.find({ order }), await stored()]
        const total = before.reduce((sum, row) => sum + deksOf(row).size, 0)
        if (isRotated) await rotateKek(setup.keyring, { purpose: 'data' })
        expect(await verify(dataSource)).toMatchObject({ done: total, failedCount: 0 })
        const report = await reencrypt(dataSource, { batchSize: 3 })
        expect(report.subjectFields).toEqual(['Dossier.chart', 'Dossier.secret'])
        expect(report.tables.at(-1)).toEqual({
          ...{ table: 'dossier', done: total, current: 0, failedCount: 0, skipped: 0 },
        })
        const after = await stored()
        expect(await repository.find({ order })).toEqual(values)
        expect(after.map(withoutEnvelopes)).toEqual(before.map(withoutEnvelopes))
        const seen = new Set(before.flatMap((row) => [...deksOf(row).values()]))
        for (const row of after) {
          const deks = deksOf(row)
          for (const dek of deks.values()) expect(seen).not.toContain(dek)
          const ofSubject = [...deks].filter(([field]) => SUBJECT_FIELDS.includes(field))
          const others = [...deks].filter(([field]) => !SUBJECT_FIELDS.includes(field))
          for (const group of [ofSubject, others]) {
            expect(new Set(group.map(([, dek]) => dek)).size).toBe(group.length === 0 ? 0 : 1)
          }
        }
        const verified = await verify(dataSource, { open: true, batchSize: 3 })
        expect(verified).toMatchObject({ done: total, failedCount: 0, failed: [] })
      }),
      { numRuns: process.env.SLOW === '1' ? 200 : 10 },
    )
  })

  it('lose no acknowledged write of an application that goes on', async () => {
    const repository = dataSource.getRepository(Dossier)
    await save(
      Array.from({ length: 20 }, (_, i) => ({ tenant: `t${i % 3}`, secret: `s${i}`, amount: i })),
      [],
    )
    const ids = (await repository.find({ select: { id: true } })).map(({ id }) => id)
    const acknowledged = new Map<string, number>()
    let isDone = false
    const writers = [0, 1].map(async (writer) => {
      for (let n = writer; !isDone; n += 2) {
        // Each row has one of the writers, who would find a write that was lost before the next one.
        const id = ids[(n * 7) % ids.length] as string
        const found = await repository.findOneByOrFail({ id })
        if (acknowledged.has(id)) expect(found.amount).toBe(acknowledged.get(id))
        await repository.update(id, { amount: n * 1000 })
        acknowledged.set(id, n * 1000)
      }
    })
    for (let round = 0; round < 2; round++) {
      await rotateKek(setup.keyring, { purpose: 'data' })
      const report = await reencrypt(dataSource, { batchSize: 5, workers: 2 })
      expect(report).toMatchObject({ failedCount: 0 })
    }
    isDone = true
    await Promise.all(writers)
    expect(acknowledged.size).toBeGreaterThan(5)
    for (const { id, amount, secret } of await repository.find()) {
      expect(secret).toMatch(/^s\d+$/)
      if (acknowledged.has(id)) expect(amount).toBe(acknowledged.get(id))
    }
    expect(await verify(dataSource, { open: true })).toMatchObject({ done: 40, failedCount: 0 })
  })

  it('leave shredded values, whose index columns must be empty', async () => {
    await save([{ tenant: 'gone', secret: 'x', email: 'a@example.com' }], [])
    const [before] = await stored()
    await shred(dataSource, { subject: 'gone' })
    expect(await reencrypt(dataSource)).toMatchObject({ done: 2, failedCount: 0 })
    expect((await stored())[0]?.secret).toBe(before?.secret)
    expect(await verify(dataSource, { open: true })).toMatchObject({ done: 2, failedCount: 0 })
    await dataSource.query('UPDATE dossier SET secret_hmac = $1', [before?.secret_hmac])
    for (const open of [false, true]) {
      const { failed } = await verify(dataSource, { open })
      expect(failed).toMatchObject([{ field: 'Dossier.secret', code: 'ERR_INDEX_MISMATCH' }])
    }
  })

  it('find values that were moved, of each kind of bond', async () => {
    await save(
      ['a', 'b'].map((tenant, i) => ({ tenant, secret: tenant, amount: i, email: `${i}@x.org` })),
      [],
    )
    const [first, second] = await stored()
    await dataSource.query(
      'UPDATE dossier SET amount = $1, secret = $2, email = $3 WHERE id = $4',
      [...[second?.amount, second?.secret, second?.email, first?.id]],
    )
    const codesOf = async (open: boolean) =>
      (await verify(dataSource, { open })).failed.map(({ column, code }) => `${column} ${code}`)
    expect(await codesOf(false)).toEqual(['secret ERR_DECRYPTION_FAILED'])
    expect(await codesOf(true)).toEqual([
      'amount ERR_DECRYPTION_FAILED',
      'email ERR_INDEX_MISMATCH',
      'secret ERR_DECRYPTION_FAILED',
    ])
    const { failed } = await reencrypt(dataSource)
    expect(failed.map(({ column }) => column)).toEqual(['amount', 'secret'])
  })

  it('follow a rewrap, and precede one', async () => {
    await save([{ tenant: 'a', secret: 's', balance: 5n }], [])
    await rotateKek(setup.keyring, { purpose: 'data' })
    await rewrap(dataSource)
    await reencrypt(dataSource)
    const { keyId } = await rotateKek(setup.keyring, { purpose: 'data' })
    await rewrap(dataSource)
    const [row] = await stored()
    const inspected = inspectEnvelope(row?.balance as string)
    expect(inspected).toMatchObject({ keyId })
    expect(await verify(dataSource, { open: true })).toMatchObject({ done: 2, failedCount: 0 })
  })
})
