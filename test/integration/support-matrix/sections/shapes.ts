import {
  Column,
  DataSource,
  Entity,
  MoreThan,
  PrimaryColumn,
  ViewColumn,
  ViewEntity,
} from 'typeorm'
import { expect } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../../../src'
import { Encrypted, withEncryption } from '../../../../src/typeorm'
import { bindMetadata } from '../../../../src/typeorm/bind-metadata'
import {
  Active,
  Closure,
  Doctor,
  Member,
  Nested,
  Nurse,
  Path,
  PatientView,
  Staff,
  Vault,
} from '../entities'
import { refused, type Section, supported } from '../matrix'
import { encryptedSchemaEntity } from '../schema-entity'
import { ENTITIES, type World } from '../world'

type TreeClass = new () => { id: number; name: string; children: unknown[]; parent: unknown }

function tree(kind: string, entity: TreeClass) {
  return supported(`tree entities, ${kind}`, async ({ dataSource }) => {
    const trees = dataSource.getTreeRepository(entity)
    const root = await trees.save(trees.create({ id: 1, name: 'root' }))
    const child = await trees.save(trees.create({ id: 2, name: 'child', parent: root }))
    await trees.save(trees.create({ id: 3, name: 'leaf', parent: child }))
    expect(await trees.findTrees()).toMatchObject([
      { name: 'root', children: [{ name: 'child', children: [{ name: 'leaf' }] }] },
    ])
    const names = (found: { name: string }[]) => found.map(({ name }) => name).sort()
    expect(names(await trees.findDescendants(child))).toEqual(['child', 'leaf'])
    expect(names(await trees.findAncestors(child))).toEqual(['child', 'root'])
    const below = trees.createDescendantsQueryBuilder('t', 'c', root)
    expect(await below.andWhere('t.name = :n', { n: 'leaf' }).getCount()).toBe(1)
    expect(await trees.countDescendants(root)).toBe(3)
  })
}

async function start({ dataSource }: World, entities: readonly unknown[]): Promise<void> {
  const { url } = dataSource.options as { url: string }
  const other = new DataSource({ type: 'postgres', url, entities: entities as never })
  const provider = inAppKeyProvider({ name: 'other', secret: generateRootKey() })
  const keyring = createKeyring({ providers: [provider] })
  await withEncryption(other, { keyring }).initialize()
  await other.destroy()
}

export const shapes: Section = {
  title: 'Embedded entities, inheritance, trees, views, schemas',
  rows: [
    supported('embedded entities', async ({ patients }) => {
      const where = { address: { street: 'Street 2', city: 'Ulm' } }
      expect(await patients.findBy(where)).toMatchObject([{ id: 2, address: where.address }])
      await patients.update(2, { address: { street: 'Elsewhere' } })
      expect(await patients.countBy(where)).toBe(0)
      expect((await patients.findOneByOrFail({ id: 2 })).address.street).toBe('Elsewhere')
    }),
    supported('embedded entities in query builders', async ({ builder }) => {
      const street = { street: 'Street 3' }
      expect(await builder().where({ address: street }).getCount()).toBe(1)
      expect(await builder().where('p.address.street = :street', street).getCount()).toBe(1)
    }),
    supported('single-table inheritance', async ({ repository }) => {
      await repository(Doctor).save({ id: 1, name: 'd', licence: '007' })
      await repository(Staff).save({ id: 2, name: 's' })
      expect(await repository(Doctor).findBy({ name: 'd' })).toMatchObject([{ licence: '007' }])
      expect(await repository(Staff).find({ order: { id: 'ASC' } })).toMatchObject([
        { name: 'd', licence: '007' },
        { name: 's' },
      ])
      expect(await repository(Doctor).countBy({ licence: '007' })).toBe(1)
    }),
    tree('closure table', Closure as TreeClass),
    tree('materialized path', Path as TreeClass),
    tree('nested set', Nested as TreeClass),
    supported(
      'view entities',
      async ({ repository }) => {
        expect(await repository(PatientView).findBy({ email: 'P1@x.org' })).toEqual([
          { id: 1, email: 'p1@x.org' },
        ])
      },
      "`@Encrypted` with the table's `fieldId`, the hidden columns in the view's SELECT",
    ),
    supported(
      'EntitySchema',
      async ({ dataSource }) => {
        const devices = dataSource.getRepository(encryptedSchemaEntity)
        await devices.save({ id: 1, serial: 's1' })
        expect(await devices.findOneBy({ serial: 's1' })).toEqual({ id: 1, serial: 's1' })
      },
      '`encryptedColumn()`',
    ),
    supported('BaseEntity (Active Record)', async ({ dataSource }) => {
      Active.useDataSource(dataSource)
      await Active.create({ id: 1, secret: 'x' }).save()
      const found = await Active.findOneByOrFail({ secret: 'x' })
      await found.reload()
      expect(found.secret).toBe('x')
      await found.remove()
      expect(await Active.countBy({ secret: 'x' })).toBe(0)
    }),
    refused(
      'primary, generated, version, date and join columns, defaults',
      'ERR_FIELD_INVALID',
      async () => {
        class Wrong {}
        PrimaryColumn('text')(Wrong.prototype, 'key')
        Encrypted({ type: 'string' })(Wrong.prototype, 'key')
        Entity()(Wrong)
        const dataSource = new DataSource({ type: 'postgres', entities: [Wrong] })
        await (dataSource as unknown as { buildMetadatas(): Promise<void> }).buildMetadatas()
        return bindMetadata(dataSource.entityMetadatas, 'default')
      },
      'at start; encrypt another property',
    ),
    supported(
      'a property that several child entities declare',
      async ({ repository }) => {
        await repository(Doctor).save({ id: 1, name: 'd', licence: '007' })
        await repository(Nurse).save({ id: 2, name: 'n', licence: '007' })
        expect(await repository(Nurse).findBy({ licence: '007' })).toMatchObject([{ id: 2 }])
        const query = repository(Staff).createQueryBuilder('s').where("s.licence = '007'")
        expect(await query.getCount()).toBe(2)
      },
      'declared alike in all of them',
    ),
    supported('properties of an abstract base class', async ({ repository }) => {
      await repository(Vault).save({ id: 1, secret: 's', weight: 12 })
      const found = await repository(Vault).findBy({ secret: 's', weight: MoreThan(11) })
      expect(found).toEqual([{ id: 1, secret: 's', weight: 12 }])
    }),
    supported(
      '@VirtualColumn and @AfterLoad beside encrypted properties',
      async ({ repository }) => {
        await repository(Member).save({ id: 1, name: 'a', rank: 9 })
        const found = await repository(Member).findBy({ rank: MoreThan(3) })
        expect(found).toMatchObject([{ next: 2, greeting: 'Dear a' }])
      },
    ),
    refused(
      'a view that shows envelopes as values',
      'ERR_FIELD_INVALID',
      async (world) => {
        class Shown {}
        ViewColumn()(Shown.prototype, 'mail')
        const expression = 'SELECT email AS mail FROM patient'
        ViewEntity({ expression, synchronize: false })(Shown)
        return start(world, [...ENTITIES, Shown])
      },
      "at start; declare it with `@Encrypted` and the table's `fieldId`",
    ),
    refused(
      'a second entity that declares the column in clear',
      'ERR_FIELD_INVALID',
      async (world) => {
        class Second {}
        PrimaryColumn('int')(Second.prototype, 'id')
        Column('bytea')(Second.prototype, 'email')
        Entity({ name: 'patient', synchronize: false })(Second)
        return start(world, [...ENTITIES, Second])
      },
      'at start; declare it as the first entity does',
    ),
  ],
}
