import { setTimeout } from 'node:timers/promises'
import { MoreThan } from 'typeorm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mayRetire, retire, rewrap, rotateKek, shred, verifyHistory } from '../../src/rotation'
import { createDatabase } from '../database'
import { type Setup, setUp } from './people'
import { Member, Note, Tenant } from './tenants'

const ENTITIES = [Tenant, Note, Member]
const POLL_MS = 100
const PROMPT = { keyring: { cache: { epochPollMs: POLL_MS } } }
const tenants = ['0a000000-0000-4000-8000-000000000001', '0a000000-0000-4000-8000-000000000002']
let database: Awaited<ReturnType<typeof createDatabase>>
let operator: Setup
let application: Setup

beforeAll(async () => {
  database = await createDatabase()
  operator = await setUp(database.url, ENTITIES, {}, PROMPT)
  const { secret } = operator
  application = await setUp(database.url, ENTITIES, { synchronize: false }, { ...PROMPT, secret })
})

afterAll(async () => {
  await application?.dataSource.destroy()
  await operator?.dataSource.destroy()
  await database?.drop()
})

const note = (id: number) => ({
  ...{ id, ward: 'A', slug: `s${id}`, tenantId: tenants[id % 2] as string, authorId: `${id}` },
  ...{ title: `note ${id}`, body: null, score: id * 7, label: `label ${id % 5}` },
  address: { street: null, city: null },
})

it('a key goes when its last row, subject and index are gone, and the application goes on', async () => {
  const { dataSource, keyring } = operator
  const notes = application.dataSource.getRepository(Note)
  await notes.save(Array.from({ length: 20 }, (_, id) => notes.create(note(id))))
  const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
  const keyId = previousKeyId as string
  const needs = async () =>
    (await mayRetire(dataSource, { keyId })).needs.map(({ place, count }) => [place, count])
  expect(await needs()).toEqual([
    ['note.label', 20],
    // Two tenants and twenty authors.
    ['mortise_subject_key.wrapped', 22],
  ])
  const destroying = () => retire(dataSource, { keyId, backupRetentionDays: 0 })
  await expect(destroying()).rejects.toMatchObject({ code: 'ERR_KEY_IN_USE' })
  await rewrap(dataSource)
  expect(await needs()).toEqual([])
  expect(await destroying()).toMatchObject({ outcome: 'destroyed', version: 1 })
  expect(await notes.countBy({ label: 'label 3' })).toBe(4)
  expect(await notes.countBy({ score: MoreThan(100) })).toBe(5)
  await notes.save(notes.create(note(20)))
  const wraps = await dataSource.query(
    `SELECT count(*)::int AS n FROM mortise_key_wrap WHERE key_id = decode($1, 'hex')`,
    [keyId],
  )
  expect(wraps).toEqual([{ n: 0 }])
  await shred(dataSource, { subject: tenants[0] as string })
  const { holds, unfinished, head } = await verifyHistory(application.dataSource)
  expect({ holds, unfinished }).toEqual({ holds: true, unfinished: [] })
  expect(head.sequence).toBeGreaterThanOrEqual(10)
})

it('a row of a restored backup under a destroyed key is refused in the name of its property', async () => {
  const { dataSource, keyring } = operator
  const notes = application.dataSource.getRepository(Note)
  await dataSource.query('CREATE TABLE backup AS SELECT * FROM note WHERE id = 7')
  const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
  await rewrap(dataSource)
  const keyId = previousKeyId as string
  expect(await retire(dataSource, { keyId, backupRetentionDays: 0 })).toMatchObject({
    outcome: 'destroyed',
  })
  await setTimeout(POLL_MS)
  await dataSource.query('UPDATE note SET label = backup.label FROM backup WHERE note.id = 7')
  await expect(notes.findOneBy({ id: 7 })).rejects.toMatchObject({
    ...{ code: 'ERR_KEY_STATE', message: expect.stringContaining('destroyed') },
  })
  const { needs } = await mayRetire(dataSource, { keyId })
  expect(needs).toMatchObject([{ place: 'note.label', count: 1 }])
  // As if the row of the key had come from a backup as well: the tombstone holds.
  await dataSource.query(`UPDATE mortise_key SET state = 'decrypt-only', epoch = epoch + 1000
    WHERE id = decode('${keyId}', 'hex')`)
  await setTimeout(POLL_MS)
  await expect(notes.findOneBy({ id: 7 })).rejects.toMatchObject({ code: 'ERR_KEY_STATE' })
})
