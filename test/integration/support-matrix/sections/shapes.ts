import { DataSource, Entity, PrimaryColumn } from 'typeorm'
import { expect } from 'vitest'
import { Encrypted } from '../../../../src/typeorm'
import { bindMetadata } from '../../../../src/typeorm/bind-metadata'
import { Active, Closure, Doctor, Nested, Path, PatientView, Staff } from '../entities'
import { refused, type Section, supported } from '../matrix'
import { encryptedSchemaEntity } from '../schema-entity'

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
  ],
}
