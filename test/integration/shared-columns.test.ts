import 'reflect-metadata'
import { ChildEntity, Column, Entity, PrimaryColumn, TableInheritance } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { setUp } from './people'

@Entity({ name: 'client' })
class Client {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) email!: string
}

@Entity({ name: 'client', synchronize: false })
class InClear {
  @PrimaryColumn('int') id!: number
  @Column({ type: 'text', name: 'email' }) mail!: string
}

@Entity({ name: 'client', schema: 'public', synchronize: false })
class TokenInClear {
  @PrimaryColumn('int') id!: number
  @Column({ type: 'bytea', name: 'email_hmac' }) token!: Buffer
}

@Entity({ name: 'client', synchronize: false })
class Others {
  @PrimaryColumn('int') id!: number
}

@Entity({ name: 'client', synchronize: false })
class Again {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) email!: string
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Animal {
  @PrimaryColumn('int') id!: number
}

@ChildEntity()
class Cat extends Animal {
  @Encrypted({ type: 'string' }) chip!: string
}

@ChildEntity()
class Dog extends Animal {
  @Column('text') chip!: string
}

let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database?.drop())

describe('a column of two entities', () => {
  it.each([
    ['the envelope', [Client, InClear], 'InClear.mail'],
    ['the token', [Client, TokenInClear], 'TokenInClear.token'],
    ['the other way round', [InClear, Client], 'InClear.mail'],
    ['a sibling in an inheritance tree', [Animal, Cat, Dog], 'chip'],
  ])('cannot be encrypted in one and plain in the other: %s', async (_, entities, field) => {
    await expect(setUp(database.url, entities)).rejects.toMatchObject({
      code: 'ERR_FIELD_INVALID',
      message: expect.stringContaining(field),
    })
  })

  it('may be declared twice in the same way, or be left out', async () => {
    const { dataSource } = await setUp(database.url, [Client, Again, Others])
    await dataSource.getRepository(Client).insert({ id: 1, email: 'a' })
    expect(await dataSource.getRepository(Again).findBy({ email: 'a' })).toHaveLength(1)
    expect(await dataSource.getRepository(Others).find()).toEqual([{ id: 1 }])
    await dataSource.destroy()
  })
})
