import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Column, Entity, PrimaryColumn, Unique } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import type { IndexRecord } from '../../../src/key-store/store'
import { keyControl } from '../../../src/keys/keyring'
import { reindex, rotateKek, shred } from '../../../src/rotation'
import { runningTransactionsEnded } from '../../../src/rotation/running-transactions'
import { schemaOf } from '../../../src/schema'
import { Encrypted } from '../../../src/typeorm'
import { createDatabase, type TestDatabase } from '../../database'
import { type Application, fieldsOf, start, step } from './versions'

const secret = generateRootKey()
let database: TestDatabase
const applications: Application[] = []

async function begin(entity: new () => object, options = {}): Promise<Application> {
  const application = await start(database.url, secret, entity, options)
  applications.push(application)
  return application
}

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  for (const { dataSource } of applications) {
    if (dataSource.isInitialized) await dataSource.destroy()
  }
  await database?.drop()
})

@Entity({ name: 'member' })
@Unique('member_in_ward', ['ward', 'email'])
class Member {
  @PrimaryColumn('uuid') id!: string
  @Column('text') ward!: string
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', exact: true, subject: 'tenant', bindRow: true, column: 'text' })
  email!: string
}

@Entity({ name: 'member' })
@Unique('member_in_ward', ['ward', 'email'])
class ChangingMember {
  @PrimaryColumn('uuid') id!: string
  @Column('text') ward!: string
  @Column('text') tenant!: string
  @Encrypted({
    type: 'string',
    exact: true,
    next: { exact: { normalize: 'email' } },
    subject: 'tenant',
    bindRow: true,
    column: 'text',
  })
  email!: string
}

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const member = (n: number, email: string, ward = 'A', tenant = 'one') => ({
  id: id(n),
  ward,
  tenant,
  email,
})

describe('reindex of a bound field with subjects, in a text column and a compound constraint', () => {
  let application: Application

  it('is refused without the columns, and without the constraint over them', async () => {
    const { dataSource } = await begin(Member, { synchronize: true })
    const members = dataSource.getRepository(Member)
    await members.insert([
      member(1, 'Ada@example.com'),
      member(2, 'ada@example.com'),
      member(3, 'ada@example.com', 'B'),
      member(4, 'gone@example.com', 'A', 'two'),
      ...Array.from({ length: 30 }, (_, i) => member(100 + i, `m${i}@example.com`)),
    ])
    await shred(dataSource, { subject: 'two' })
    application = await begin(ChangingMember)
    await expect(reindex(application.dataSource)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/ChangingMember\.email.*email_hmac_next.*migration/),
    })
    await dataSource.query('ALTER TABLE member ADD email_hmac_next bytea')
    await expect(reindex(application.dataSource)).rejects.toMatchObject({
      message: expect.stringMatching(/no valid unique index on email_hmac_next/),
    })
    await application.dataSource.synchronize()
    expect((await fieldsOf(application))[0]?.state).toBe('unchanged')
  })

  it('a dry run says which values would not fit, and changes nothing', async () => {
    const { dataSource } = application
    const members = dataSource.getRepository(ChangingMember)
    await dataSource.query(
      `UPDATE member SET email = (SELECT email FROM member WHERE id = $1) WHERE id = $2`,
      [id(100), id(101)],
    )
    const report = await reindex(dataSource, { dryRun: true })
    expect(report).toMatchObject({ complete: false, fields: [{ state: 'unchanged' }] })
    expect(report.jobs[0]?.failed).toMatchObject([
      { primaryKey: { id: id(101) }, code: 'ERR_DECRYPTION_FAILED' },
    ])
    await members.delete(id(101))
    expect((await fieldsOf(application))[0]?.next).toBeNull()
  })

  it('is refused where row-level security hides rows, whose tokens would be missing', async () => {
    const role = `tenant_${randomUUID().replaceAll('-', '')}`
    const { dataSource } = application
    await dataSource.query(`ALTER TABLE member ENABLE ROW LEVEL SECURITY; CREATE ROLE ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)
    const blind = await begin(ChangingMember, { extra: { options: `-c role=${role}` } })
    await expect(reindex(blind.dataSource, { dryRun: true })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/row-level security may hide rows of member/),
    })
    await dataSource.query(`DROP OWNED BY ${role}; DROP ROLE ${role};
      ALTER TABLE member DISABLE ROW LEVEL SECURITY`)
  })

  it('stops at rows that are not unique in the new index, names them, and goes on when they are', async () => {
    const { dataSource } = application
    const members = dataSource.getRepository(ChangingMember)
    const stopped = await reindex(dataSource, { batchSize: 7 })
    expect(stopped).toMatchObject({ complete: false, fields: [{ state: 'written' }] })
    expect(stopped.next).toMatch(/retry/)
    expect(stopped.jobs[0]?.failed).toMatchObject([
      { table: 'member', column: 'email', field: 'ChangingMember.email', code: 'ERR_NOT_UNIQUE' },
    ])
    const taken = await members.insert(member(50, 'ADA@example.com', 'B')).catch((error) => error)
    expect(taken.detail).toMatch(/encrypted ChangingMember\.email already exists/)
    const [failure] = stopped.jobs.flatMap(({ failed }) => failed)
    await members.delete(failure?.primaryKey.id as string)
    expect(await reindex(dataSource, { retry: true })).toMatchObject({
      complete: true,
      fields: [{ state: 'asked' }],
    })
    expect(await members.findBy({ email: 'ADA@EXAMPLE.COM' })).toHaveLength(2)
    const [shredded] = await dataSource.query('SELECT * FROM member WHERE tenant = $1', ['two'])
    expect(shredded).toMatchObject({ email_hmac: null, email_hmac_next: null })
  })

  it('a version that does not declare the columns cannot drop them', async () => {
    const { dataSource } = application
    await expect(start(database.url, secret, Member, { synchronize: true })).rejects.toMatchObject({
      code: 'ERR_INDEX_CHANGED',
      message: expect.stringMatching(/Member\.email.*would drop/),
    })
    const member = (applications[0] as Application).dataSource
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
    expect(upQueries).toEqual([])
    await expect(member.driver.createSchemaBuilder().log()).rejects.toMatchObject({
      code: 'ERR_INDEX_CHANGED',
    })
  })

  it('is not abandoned while another process goes on with it', async () => {
    const slow = await begin(ChangingMember, { pollMs: 150 })
    const abandoning = reindex(slow.dataSource, { abandon: true })
    const refused = expect(abandoning).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/another process went on/),
      retryable: true,
    })
    let [field] = await fieldsOf(application)
    while (field?.state !== 'filled') [field] = await fieldsOf(application)
    await keyControl(application.keyring).indexes.advance(field.next as IndexRecord, 'asked')
    await refused
    expect((await fieldsOf(application))[0]?.state).toBe('asked')
  })

  it('what an abandoned attempt left stands in the way of no value', async () => {
    const { dataSource } = application
    const members = dataSource.getRepository(ChangingMember)
    const former = (applications[0] as Application).dataSource.getRepository(Member)
    await members.insert(member(70, 'left@example.com'))
    await reindex(dataSource, { abandon: true })
    await former.update({ id: id(70), tenant: 'one' }, { email: 'moved@example.com' })
    expect(await step(application)).toMatchObject({ state: 'required' })
    expect(await step(application)).toMatchObject({ state: 'written', report: { step: 'empty' } })
    await members.insert(member(71, 'LEFT@example.com'))
    expect(await reindex(dataSource)).toMatchObject({ fields: [{ state: 'asked' }] })
    expect(await members.findBy({ email: 'left@example.com' })).toMatchObject([{ id: id(71) }])
    await members.delete([id(70), id(71)])
  })

  it('can be abandoned, and be begun again', async () => {
    const { dataSource } = application
    const members = dataSource.getRepository(ChangingMember)
    expect(await reindex(dataSource, { abandon: true })).toMatchObject({
      fields: [{ state: 'unchanged', generation: 1 }],
    })
    expect(await members.findBy({ email: 'M3@example.com' })).toHaveLength(0)
    expect(await members.findBy({ email: 'm3@example.com' })).toHaveLength(1)
    await members.update({ id: id(104), tenant: 'one' }, { email: 'new@example.com' })
    expect((await reindex(dataSource)).fields).toMatchObject([{ state: 'asked', generation: 2 }])
    expect(await members.findBy({ email: 'NEW@example.com' })).toHaveLength(1)
  })

  it('a query that was made long before is made again, and what cannot be is refused', async () => {
    const { dataSource } = application
    const members = dataSource.getRepository(ChangingMember)
    const where = { email: 'M3@example.com' }
    const made = () => members.createQueryBuilder('m').where(where)
    const [many, count, exists, one] = [made(), made(), made(), made()]
    const update = members.createQueryBuilder().update().set({ ward: 'C' }).where(where)
    while ((await fieldsOf(application))[0]?.state !== 'released') await step(application)
    expect(await many.getMany()).toHaveLength(1)
    expect(await count.getCount()).toBe(1)
    expect(await exists.getExists()).toBe(true)
    expect(await one.andWhere({ ward: 'A' }).getOne()).toMatchObject({ id: id(103) })
    await expect(update.execute()).rejects.toMatchObject({
      code: 'ERR_INDEX_CHANGED',
      retryable: true,
    })
    const again = members.createQueryBuilder().update().set({ ward: 'C' }).where(where)
    expect((await again.execute()).affected).toBe(1)
    await expect(reindex(dataSource, { abandon: true })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    })
  })

  it('a conflict is decided by the index that is asked, in every state that is left', async () => {
    const { dataSource } = application
    const members = dataSource.getRepository(ChangingMember)
    for (let state = 'released'; state !== 'done'; state = (await step(application)).state) {
      const taken = await members.insert(member(51, 'ADA@example.com', 'B')).catch((error) => error)
      expect(taken.detail).toMatch(/encrypted ChangingMember\.email already exists/)
    }
    expect(await members.findBy({ email: 'M3@example.com' })).toHaveLength(1)
    expect(await reindex(dataSource, { contract: true })).toMatchObject({
      complete: true,
      fields: [{ state: 'done' }],
      next: expect.stringMatching(/without next/),
    })
  })
})

describe('what is asked of reindex', () => {
  it('is refused where nothing is to change', async () => {
    const { dataSource } = applications[0] as Application
    await expect(reindex(dataSource)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    const changing = (applications[1] as Application).dataSource
    const fields = ['ChangingMember.name']
    await expect(reindex(changing, { fields })).rejects.toMatchObject({
      message: expect.stringMatching(/ChangingMember\.name/),
    })
  })

  it('waits for transactions that run when it asks, and for no later ones', async () => {
    const { dataSource } = applications[1] as Application
    const { query } = schemaOf(dataSource)
    const [early, late] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()]
    await early.startTransaction('REPEATABLE READ')
    await early.query('SELECT 1')
    const stopping = new AbortController()
    const stopped = runningTransactionsEnded(query, stopping.signal)
    let ended = false
    const waiting = runningTransactionsEnded(query, undefined).then(() => {
      ended = true
    })
    await sleep(150)
    await late.startTransaction()
    await late.query('SELECT 1')
    stopping.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow()
    expect(ended).toBe(false)
    await early.commitTransaction()
    await waiting
    await late.rollbackTransaction()
    await Promise.all([early.release(), late.release()])
  })

  it('is not over where one was prepared, before or meanwhile', async () => {
    const { dataSource } = applications[1] as Application
    const { query } = schemaOf(dataSource)
    const [one, other] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()]
    for (const runner of [one, other]) {
      await runner.query('BEGIN')
      await runner.query('SELECT pg_current_xact_id()')
    }
    await one.query(`PREPARE TRANSACTION 'one'`)
    let ended = false
    const waiting = runningTransactionsEnded(query, undefined).then(() => {
      ended = true
    })
    await sleep(150)
    await other.query(`PREPARE TRANSACTION 'other'`)
    await one.query(`COMMIT PREPARED 'one'`)
    await sleep(300)
    expect(ended).toBe(false)
    await other.query(`ROLLBACK PREPARED 'other'`)
    await waiting
    await Promise.all([one.release(), other.release()])
  })
})

@Entity({ name: 'letter' })
class Letter {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', exact: true, subject: 'tenant', nullable: true })
  text!: string | null
}

@Entity({ name: 'letter' })
class ChangingLetter {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', exact: true, next: {}, subject: 'tenant', nullable: true })
  text!: string | null
}

describe('a process from before', () => {
  it('is refused to set to NULL and to shred what it cannot take out of the index to come', async () => {
    const before = await begin(Letter, { synchronize: true })
    const letters = before.dataSource.getRepository(Letter)
    await letters.insert([1, 2, 3].map((n) => ({ id: n, tenant: `t${n}`, text: `hello ${n}` })))
    await letters.update(3, { text: null })
    const between = await begin(ChangingLetter, { synchronize: true })
    await rotateKek(between.keyring, { purpose: 'index' })
    while ((await fieldsOf(between))[0]?.state !== 'filled') await step(between)
    const refused = { code: 'ERR_INDEX_CHANGED', field: 'letter.text' }
    const cleared = { id: 1, tenant: 't1', text: null }
    await expect(letters.update(1, { text: null })).rejects.toMatchObject(refused)
    await expect(letters.save(cleared)).rejects.toMatchObject(refused)
    await expect(letters.upsert(cleared, ['id'])).rejects.toMatchObject(refused)
    await expect(shred(before.dataSource, { subject: 't2' })).rejects.toMatchObject(refused)
    expect((await letters.findOneByOrFail({ text: 'hello 1' })).id).toBe(1)

    await between.dataSource.getRepository(ChangingLetter).update(1, { text: null })
    await shred(between.dataSource, { subject: 't2' })
    const rows = await before.dataSource.query(
      'SELECT id FROM letter WHERE text_hmac IS NOT NULL OR text_hmac_next IS NOT NULL',
    )
    expect(rows).toEqual([])
  })
})
