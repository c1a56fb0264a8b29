import 'reflect-metadata'
import { PGlite } from '@electric-sql/pglite'
import { Client } from 'pg'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  ManyToOne,
  PrimaryColumn,
  VersionColumn,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider, type Keyring } from '../../src'
import { Encrypted, withEncryption } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { pgliteDriver } from '../pglite'
import { Person, Pet } from './people'

type Entities = DataSourceOptions['entities']

let database: TestDatabase
const opened: DataSource[] = []

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  for (const source of opened.splice(0)) if (source.isInitialized) await source.destroy()
  await database.drop()
})

function makeKeyring(secret: string = generateRootKey(), domain = 'default'): Keyring {
  return createKeyring({ providers: [inAppKeyProvider({ name: 'test', secret })], domain })
}

function plain(entities: Entities, options: object = {}): DataSource {
  const source = new DataSource({
    type: 'postgres',
    url: database.url,
    entities,
    synchronize: true,
    ...options,
  } as DataSourceOptions)
  opened.push(source)
  return source
}

function open(entities: Entities, keyring = makeKeyring(), options = {}): Promise<DataSource> {
  return withEncryption(plain(entities, options), { keyring }).initialize()
}

function person(id: number): Partial<Person> {
  return { id, ward: 'A', email: `p${id}@example.com`, income: id * 1_000 }
}

describe('connections', () => {
  it('are refused where pg-native makes them, which does not send bytes as they are', async () => {
    class NativeClient extends Client {
      readonly native = {}
    }
    const refused = open([Person, Pet], makeKeyring(), { extra: { Client: NativeClient } })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(refused).rejects.toThrow(/uninstall pg-native/)
  })

  it('does not wait for itself where the pool has one connection', async () => {
    const source = await open([Person, Pet], makeKeyring(), { poolSize: 1 })
    const repository = source.getRepository(Person)
    await Promise.all(Array.from({ length: 20 }, (_, id) => repository.save(person(id))))
    const found = await repository.find({ order: { id: 'ASC' } })
    expect(found.map(({ email }) => email)).toEqual(
      Array.from({ length: 20 }, (_, id) => `p${id}@example.com`),
    )
  })

  it('makes the first keys of a store inside a transaction that rolls back', async () => {
    const secret = generateRootKey()
    const first = plain([Person, Pet], { synchronize: false })
    await withEncryption(first, { keyring: makeKeyring(secret) }).initialize()
    await first.synchronize()
    const failed = first.transaction(async (manager) => {
      await manager.save(Person, person(1))
      throw new Error('roll back')
    })
    await expect(failed).rejects.toThrow('roll back')
    expect(await first.getRepository(Person).count()).toBe(0)
    await first.getRepository(Person).save(person(2))
    await first.destroy()
    const again = await open([Person, Pet], makeKeyring(secret))
    const found = await again.getRepository(Person).findOneByOrFail({ email: 'P2@example.com' })
    expect(found.income).toBe(2_000)
  })

  it('reads through a second DataSource what the first one wrote', async () => {
    const secret = generateRootKey()
    const first = await open([Person, Pet], makeKeyring(secret))
    await first.getRepository(Person).save(person(7))
    await first.destroy()
    const second = await open([Person, Pet], makeKeyring(secret))
    expect(await second.getRepository(Person).findOneByOrFail({ id: 7 })).toMatchObject(person(7))
  })

  it('starts the same DataSource a second time', async () => {
    const source = await open([Person, Pet])
    await source.getRepository(Person).save(person(3))
    await source.destroy()
    await source.initialize()
    expect(await source.getRepository(Person).countBy({ email: 'p3@example.com' })).toBe(1)
  })

  it('runs on PGlite, which has one connection', async () => {
    const source = await open([Person, Pet], makeKeyring(), {
      driver: pgliteDriver(new PGlite()),
      installExtensions: false,
    })
    const repository = source.getRepository(Person)
    await source.transaction((manager) => manager.save(Person, person(1)))
    await Promise.all([2, 3, 4].map((id) => repository.save(person(id))))
    const found = await repository.find({ where: { email: 'P3@example.com' } })
    expect(found.map(({ id }) => id)).toEqual([3])
  })
})

describe('a start that fails', () => {
  const unreachable = { url: 'postgres://postgres@127.0.0.1:1/none' }

  it('leaves the keyring to the next DataSource', async () => {
    const keyring = makeKeyring()
    await expect(open([Person, Pet], keyring, unreachable)).rejects.toThrow('ECONNREFUSED')
    const next = await open([Person, Pet], keyring)
    await next.getRepository(Person).save(person(1))
    expect(await next.getRepository(Person).countBy({ email: 'p1@example.com' })).toBe(1)
  })

  it('can be repeated, until another DataSource has the keyring', async () => {
    const keyring = makeKeyring()
    const first = withEncryption(plain([Person, Pet], unreachable), { keyring })
    await expect(first.initialize()).rejects.toThrow('ECONNREFUSED')
    await expect(first.initialize()).rejects.toThrow('ECONNREFUSED')
    await open([Person, Pet], keyring)
    await expect(first.initialize()).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  it('says each time which key does not open, with requireKeys', async () => {
    await open([Person, Pet])
    const keyring = makeKeyring()
    for (const attempt of [1, 2]) {
      const source = withEncryption(plain([Person, Pet]), { keyring, requireKeys: true })
      const failure = await source.initialize().catch((error: unknown) => error)
      expect(failure, `attempt ${attempt}`).toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
      expect(source.isInitialized).toBe(false)
    }
  })

  it('is not one that comes too late', async () => {
    const keyring = makeKeyring()
    const source = await open([Person, Pet], keyring)
    await expect(source.initialize()).rejects.toThrow(/already/)
    expect(() => withEncryption(plain([]), { keyring })).toThrow(/another DataSource/)
  })
})

describe('without a keyring', () => {
  it('refuses to write and to read', async () => {
    const source = await plain([Person, Pet]).initialize()
    const repository = source.getRepository(Person)
    const refused = { code: 'ERR_NOT_INSTALLED', message: expect.stringContaining('Person.email') }
    await expect(repository.save(person(1))).rejects.toMatchObject(refused)
    await expect(repository.insert(person(1))).rejects.toMatchObject(refused)
    await expect(repository.findBy({ email: 'p1@example.com' })).rejects.toMatchObject(refused)
    expect(await source.query('SELECT count(*)::int AS n FROM person')).toEqual([{ n: 0 }])

    const encrypted = await open([Person, Pet])
    await encrypted.getRepository(Person).save(person(1))
    await expect(repository.find()).rejects.toMatchObject({ code: 'ERR_NOT_INSTALLED' })
  })

  it('gives one class two keyrings in two DataSources', async () => {
    const other = await createDatabase()
    const one = await open([Person, Pet], makeKeyring(undefined, 'one'))
    const two = await open([Person, Pet], makeKeyring(undefined, 'two'), { url: other.url })
    try {
      await one.getRepository(Person).save(person(1))
      await two.getRepository(Person).save({ ...person(1), income: 9 })
      const by = { email: 'p1@example.com' }
      expect((await one.getRepository(Person).findOneByOrFail(by)).income).toBe(1_000)
      expect((await two.getRepository(Person).findOneByOrFail(by)).income).toBe(9)
      const token = (source: DataSource) => source.query('SELECT email_hmac FROM person')
      expect(await token(one)).not.toEqual(await token(two))
    } finally {
      await two.destroy()
      await other.drop()
    }
  })
})

describe('withEncryption', () => {
  it('must come before initialize(), and once', async () => {
    const late = await plain([]).initialize()
    const config = expect.objectContaining({ code: 'ERR_CONFIG' })
    expect(() => withEncryption(late, { keyring: makeKeyring() })).toThrow(config)
    const twice = withEncryption(plain([]), { keyring: makeKeyring() })
    expect(() => withEncryption(twice, { keyring: makeKeyring() })).toThrow(config)
  })

  it.each([-1, 1.5, Number.NaN])('refuses maxRefine %s', (maxRefine) => {
    expect(() => withEncryption(plain([]), { keyring: makeKeyring(), maxRefine })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})

/** Declarations are made inside the call, because decorators refuse what they can see at once. */
const REFUSED: [string, string, string, () => unknown[]][] = [
  [
    'a primary column',
    'ERR_FIELD_INVALID',
    'Card.number',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @PrimaryColumn('text') @Encrypted('string') number!: string
      }
      return [Card]
    },
  ],
  [
    'a version column',
    'ERR_FIELD_INVALID',
    'Card.version',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @VersionColumn() @Encrypted('number') version!: number
      }
      return [Card]
    },
  ],
  [
    'a default',
    'ERR_FIELD_INVALID',
    'Card.colour',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @Encrypted('string', { default: 'red' } as never) colour!: string
      }
      return [Card]
    },
  ],
  [
    'a join column',
    'ERR_FIELD_INVALID',
    'Card.ownerId',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @Encrypted('number') ownerId!: number
        @ManyToOne(() => Card) owner!: Card
      }
      return [Card]
    },
  ],
  [
    'one field id for two properties',
    'ERR_FIELD_INVALID',
    'Card.second',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @Encrypted('string', { fieldId: 'card.text' }) first!: string
        @Encrypted('string', { fieldId: 'card.text' }) second!: string
      }
      return [Card]
    },
  ],
  [
    'a type of the database',
    'ERR_FIELD_INVALID',
    'Card.text',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @Encrypted('varchar' as 'string') text!: string
      }
      return [Card]
    },
  ],
  [
    'a property that has the name of an index column',
    'ERR_FIELD_INVALID',
    'Card.text',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @Encrypted('string', { exact: true }) text!: string
        @Column('text') text_hmac!: string
      }
      return [Card]
    },
  ],
  [
    'an exact index on a boolean without a reason',
    'ERR_LEAKAGE_NOT_ACCEPTED',
    'Card.valid',
    () => {
      @Entity()
      class Card {
        @PrimaryColumn('int') id!: number
        @Encrypted('boolean', { exact: true }) valid!: boolean
      }
      return [Card]
    },
  ],
]

describe('declarations', () => {
  it.each(REFUSED)('refuses %s', async (_, code, name, declare) => {
    const start = async () => void (await open(declare() as Entities))
    await expect(start()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(name),
    })
  })

  it('takes a leak that was accepted in writing', async () => {
    @Entity()
    class Card {
      @PrimaryColumn('int') id!: number
      @Encrypted('boolean', { exact: true, acceptLeakage: 'half of all cards are valid' })
      valid!: boolean
    }
    const cards = (await open([Card])).getRepository(Card)
    await cards.save([
      { id: 1, valid: true },
      { id: 2, valid: false },
    ])
    expect(await cards.findBy({ valid: false })).toEqual([{ id: 2, valid: false }])
  })
})

/** One table, declared by one release of an application after the other. */
function release(options: Parameters<typeof Encrypted>[0] & object): { new (): Note } {
  @Entity('note')
  class Versioned {
    @PrimaryColumn('int') id!: number
    @Encrypted({ ...options, type: 'string' }) text!: string
  }
  return Versioned
}

interface Note {
  id: number
  text: string
}

describe('a changed declaration', () => {
  const secret = generateRootKey()

  async function deploy(options: Parameters<typeof release>[0], rows: Note[]): Promise<DataSource> {
    const source = await open([release(options)], makeKeyring(secret))
    const entity = source.entityMetadatas[0]?.target as never
    if (rows.length > 0) await source.getRepository<Note>(entity).save(rows)
    return source
  }

  it('is refused where rows have the former index', async () => {
    const before = await deploy({ exact: true }, [{ id: 1, text: 'Ada' }])
    await before.destroy()
    await expect(
      deploy({ exact: { normalize: 'email' } }, []).then(() => {}),
    ).rejects.toMatchObject({
      code: 'ERR_INDEX_CHANGED',
      message: expect.stringContaining('text'),
    })
    const same = await deploy({ exact: true }, [])
    expect(await same.getRepository<Note>('note').countBy({ text: 'Ada' })).toBe(1)
  })

  it('is taken where there is no row yet', async () => {
    const before = await deploy({ exact: true }, [])
    await before.destroy()
    const after = await deploy({ exact: { normalize: 'email' } }, [{ id: 1, text: 'Ada@x.org' }])
    expect(await after.getRepository<Note>('note').countBy({ text: 'ada@X.org' })).toBe(1)
  })

  it('is refused where the field id changed and values exist, unless the former one is pinned', async () => {
    const before = await deploy({ fieldId: 'note.body' }, [{ id: 1, text: 'Ada' }])
    await before.destroy()
    await expect(deploy({}, []).then(() => {})).rejects.toMatchObject({
      code: 'ERR_FIELD_RENAMED',
      message: expect.stringContaining('note.text'),
    })
    const pinned = await deploy({ fieldId: 'note.body' }, [])
    expect(await pinned.getRepository<Note>('note').find()).toEqual([{ id: 1, text: 'Ada' }])
  })
})
