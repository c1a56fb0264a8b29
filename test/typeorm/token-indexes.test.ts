import 'reflect-metadata'
import { Column, DataSource, Entity, Index, PrimaryColumn, Unique } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { bindMetadata } from '../../src/typeorm/bind-metadata'

/** Binds an entity with the properties `plain`, `open`, `short` and `full`, decorated as a class. */
async function bind(...decorators: ClassDecorator[]) {
  class Thing {}
  PrimaryColumn('int')(Thing.prototype, 'id')
  Column('text')(Thing.prototype, 'plain')
  Encrypted({ type: 'string' })(Thing.prototype, 'open')
  Encrypted({ type: 'string', exact: { bits: 16 } })(Thing.prototype, 'short')
  Encrypted({ type: 'string', exact: true })(Thing.prototype, 'full')
  for (const decorate of decorators) decorate(Thing)
  Entity()(Thing)
  const dataSource = new DataSource({ type: 'postgres', entities: [Thing] })
  await (dataSource as unknown as { buildMetadatas(): Promise<void> }).buildMetadatas()
  bindMetadata(dataSource.entityMetadatas, 'default')
  return dataSource.getMetadata(Thing)
}

describe('an index that names an encrypted property', () => {
  it('keeps a name that it was given, and derives others from its columns', async () => {
    const { indices } = await bind(Index('mine', ['full']), Index(['plain', 'short']))
    const names = indices.map(({ name, columns }) => [name, columns.map((c) => c.databaseName)])
    expect(names).toContainEqual(['mine', ['full_hmac']])
    const derived = names.find(([, columns]) => columns?.length === 2)
    expect(derived).toEqual([expect.stringMatching(/^IDX_/), ['plain', 'short_hmac']])
    const { indices: same } = await bind(Index(['plain', 'short_hmac']))
    expect(same.find(({ columns }) => columns.length === 2)?.name).toBe(derived?.[0])
  })

  it.each<[string, ClassDecorator, string]>([
    ['has no token', Index(['plain', 'open']), 'Thing.open'],
    ['is unique and has no token', Unique(['open']), 'Thing.open'],
    ['is unique and has a truncated one', Unique(['plain', 'short']), 'Thing.short'],
    ['is a unique index over a truncated one', Index(['short'], { unique: true }), 'Thing.short'],
    ['is spatial', Index(['full'], { spatial: true }), 'Thing.full'],
    ['has a predicate over it', Index(['plain'], { where: `"full" <> ''` }), 'Thing.full'],
  ])('is refused where it %s', async (_, decorator, field) => {
    await expect(bind(decorator)).rejects.toMatchObject({ code: 'ERR_FIELD_INVALID', field })
  })
})
