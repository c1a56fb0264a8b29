import 'reflect-metadata'
import {
  Column,
  DataSource,
  Entity,
  JoinColumn,
  OneToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { bindMetadata } from '../../src/typeorm/bind-metadata'

/** Binds one entity, whose key is what the decorator says. */
async function bind(...keys: PropertyDecorator[]): Promise<unknown> {
  class Bound {}
  keys.forEach((decorate, index) => {
    decorate(Bound.prototype, `k${index}`)
  })
  Encrypted({ type: 'string', bindRow: true })(Bound.prototype, 'secret')
  Entity()(Bound)
  return bindEntities([Bound])
}

async function bindEntities(entities: (new () => unknown)[]): Promise<unknown> {
  const dataSource = new DataSource({ type: 'postgres', entities })
  await (dataSource as unknown as { buildMetadatas(): Promise<void> }).buildMetadatas()
  return bindMetadata(dataSource.entityMetadatas, 'default')
}

describe('the key of a bound row', () => {
  it.each<[string, PropertyDecorator]>([
    ['uuid', PrimaryColumn('uuid')],
    ['smallint', PrimaryColumn('smallint')],
    ['int', PrimaryColumn('int')],
    ['bigint', PrimaryColumn('bigint')],
    ['text', PrimaryColumn('text')],
    ['varchar without a length', PrimaryColumn('varchar')],
    ['text in byte order', PrimaryColumn('text', { collation: 'C' })],
  ])('may be %s', async (_, key) => {
    await expect(bind(key)).resolves.toHaveLength(1)
  })

  it.each<[string, RegExp, PropertyDecorator[]]>([
    [
      'uuid made by the database',
      /made by the database.*randomUUID/,
      [PrimaryGeneratedColumn('uuid')],
    ],
    ['serial', /made by the database/, [PrimaryGeneratedColumn()]],
    ['identity', /made by the database/, [PrimaryGeneratedColumn('identity')]],
    ['a default', /made by the database/, [PrimaryColumn('text', { default: 'x' })]],
    ['a timestamp', /type uuid, integer or text/, [PrimaryColumn('timestamptz')]],
    ['citext', /type uuid, integer or text/, [PrimaryColumn('citext')]],
    ['char', /type uuid, integer or text/, [PrimaryColumn('char', { length: 5 })]],
    ['varchar with a length', /make Bound\.k0 text/, [PrimaryColumn('varchar', { length: 9 })]],
    [
      'of a collation that may be loose',
      /Bound\.k0 has the collation ci/,
      [PrimaryColumn('text', { collation: 'ci' })],
    ],
    [
      'a generated column',
      /made by the database/,
      [PrimaryColumn({ type: 'text', asExpression: "'x'", generatedType: 'STORED' })],
    ],
    ['composite', /exactly one primary column/, [PrimaryColumn('int'), PrimaryColumn('int')]],
    [
      'transformed',
      /transformer/,
      [PrimaryColumn('text', { transformer: { to: (v) => v, from: (v) => v } })],
    ],
  ])('may not be %s', async (_, message, keys) => {
    const binding = bind(...keys)
    await expect(binding).rejects.toMatchObject({
      code: 'ERR_FIELD_INVALID',
      field: 'Bound.secret',
    })
    await expect(binding).rejects.toThrow(message)
  })

  it('may not be that of another entity', async () => {
    @Entity()
    class Owner {
      @PrimaryColumn('uuid') id!: string
      @Column('text') name!: string
    }
    @Entity()
    class Owned {
      @PrimaryColumn('uuid') ownerId!: string
      @OneToOne(() => Owner) @JoinColumn({ name: 'ownerId' }) owner!: Owner
      @Encrypted({ type: 'string', bindRow: true }) secret!: string
    }
    await expect(bindEntities([Owner, Owned])).rejects.toThrow(/belongs to a relation/)
  })
})
