import 'reflect-metadata'
import { DataSource, type DataSourceOptions, EntitySchema } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../../src'
import { adopt, shred } from '../../../src/rotation'
import {
  type EncryptedOptions,
  encryptedColumn,
  openRaw,
  withEncryption,
} from '../../../src/typeorm'
import { createDatabase, type TestDatabase } from '../../database'
import type { Version } from './people'
import { migrate } from './start-instance'

// What is declared in other ways than by a decorator on a class of its own: an EntitySchema, an embedded
// object, text columns, values of subjects and values bound to their rows.

const COLUMN = { type: 'text', nullable: true } as const

/** The columns of one property, as the version declares it. */
function property(name: string, version: Version, options: Partial<EncryptedOptions> = {}) {
  if (version === 'before') return { [name]: COLUMN }
  const adopt = version === 'after' ? undefined : { from: name, state: version, column: COLUMN }
  const place = { type: 'string', name: `${name}_sealed`, nullable: true } as const
  return encryptedColumn<{ [name: string]: string }>(name, {
    ...place,
    ...options,
    ...(adopt ? { adopt } : {}),
    type: 'string',
  })
}

function noteIn(version: Version): EntitySchema<Note> {
  const contact = new EntitySchema<Note['contact']>({
    name: 'contact',
    columns: property('phone', version, { exact: true }) as never,
  })
  return new EntitySchema<Note>({
    name: 'note',
    columns: {
      id: { type: 'int', primary: true },
      tenant: COLUMN,
      ...property('title', version, { exact: true, subject: 'tenant' }),
      ...property('body', version, { bindRow: true, column: 'text' }),
    },
    embeddeds: { contact: { schema: contact, prefix: 'my' } },
  })
}

interface Note {
  id: number
  tenant: string | null
  title: string | null
  body: string | null
  contact: { phone: string | null }
}

let database: TestDatabase
const secret = generateRootKey()
const opened: DataSource[] = []

async function start(version: Version, synchronize = false): Promise<DataSource> {
  const entities = [noteIn(version)]
  const options = { type: 'postgres', url: database.url, entities, synchronize }
  const dataSource = new DataSource(options as DataSourceOptions)
  if (version !== 'before') {
    const keyring = createKeyring({ providers: [inAppKeyProvider({ name: 'test', secret })] })
    withEncryption(dataSource, { keyring })
  }
  opened.push(await dataSource.initialize())
  return dataSource
}

const notes = (dataSource: DataSource) => dataSource.getRepository<Note>('note')
const all = (dataSource: DataSource) => notes(dataSource).find({ order: { id: 'ASC' } })

beforeAll(async () => {
  database = await createDatabase()
})
afterAll(async () => {
  for (const dataSource of opened) await dataSource.destroy()
  await database?.drop()
})

describe('columns of other shapes', () => {
  it('are adopted as those of classes are', async () => {
    const before = await start('before', true)
    const note = (id: number, tenant: string | null): Note => ({
      ...{ id, tenant, title: `title ${id}`, body: `body ${id}` },
      contact: { phone: `+${id}` },
    })
    await notes(before).save([note(1, 'a'), note(2, 'b'), note(3, null)])
    const dual = await start('dual')
    await migrate(dual)
    await notes(dual).update({ id: 2, tenant: 'b' }, { title: 'second', contact: { phone: '+22' } })
    await expect(notes(dual).save(note(4, null))).rejects.toMatchObject({ code: 'ERR_ROW_UNKNOWN' })
    expect(await all(dual)).toEqual(await all(before))

    const raw = await notes(dual).createQueryBuilder('n').orderBy('n.id').getRawMany()
    const [first] = await openRaw(dual, 'note', raw, 'n')
    expect(first).toMatchObject({ n_title: 'title 1', n_myPhone: '+1' })
    const names = { title: 'n_title', tenant: 'n_tenant' }
    expect((await openRaw(dual, 'note', raw, names))[1]).toMatchObject({ n_title: 'second' })

    const report = await adopt(dual, { to: 'backfilled' })
    expect(report.failed).toMatchObject([{ primaryKey: { id: '3' }, code: 'ERR_ROW_UNKNOWN' }])
    await notes(before).update(3, { tenant: 'b' })
    expect(await adopt(dual, { to: 'backfilled', retry: true })).toMatchObject({ failedCount: 0 })
    await notes(before).update(1, { tenant: 'c' })
    const held =
      'SELECT title_sealed AS title, "myPhone_sealed" IS NULL AS phone FROM note WHERE id = 1'
    expect(await before.query(held)).toEqual([{ title: null, phone: false }])
    await notes(before).update(1, { tenant: 'a' })
    expect(await adopt(dual, { to: 'backfilled' })).toMatchObject({ done: 1 })
    expect(await adopt(dual, { to: 'verified' })).toMatchObject({ corrected: 0, failedCount: 0 })
    const moving = notes(before).update(1, { tenant: 'c' })
    await expect(moving).rejects.toThrow(/is read from its envelope/)

    const verified = await start('verified')
    await migrate(verified)
    expect(await all(verified)).toEqual(await all(dual))
    expect(await notes(verified).findBy({ contact: { phone: '+22' } })).toMatchObject([{ id: 2 }])
    const erasing = shred(verified, { subject: 'a' })
    await expect(erasing).rejects.toMatchObject({ code: 'ERR_ADOPTION', field: 'note.title' })

    await adopt(verified, { to: 'sealed' })
    const after = await start('after')
    await migrate(after)
    expect(await all(after)).toEqual(await all(verified))
    await shred(after, { subject: 'a' })
    expect(await notes(after).findOneByOrFail({ title: 'second' })).toMatchObject({
      body: 'body 2',
    })
  })
})
