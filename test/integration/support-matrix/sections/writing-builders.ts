import { expect } from 'vitest'
import { Note, Patient } from '../entities'
import { ciphertext, refused, type Section, supported } from '../matrix'
import type { World } from '../world'

const insert = ({ dataSource }: World) => dataSource.createQueryBuilder().insert().into(Note)

export const writingBuilders: Section = {
  title: 'Query builders that write',
  rows: [
    supported('insert().values(), one and many', async (world) => {
      await insert(world).values({ id: 1, text: 'a', weight: null }).execute()
      await insert(world)
        .values([
          { id: 2, text: 'b', weight: 5 },
          { id: 3, text: 'b', weight: 6 },
        ])
        .execute()
      expect(await world.notes.countBy({ text: 'b' })).toBe(2)
    }),
    refused(
      'insert().values() with an SQL expression',
      'ERR_QUERY_UNSUPPORTED',
      (world) =>
        insert(world)
          .values({ id: 1, text: () => `'a'` })
          .execute(),
      'load the row and save it',
    ),
    refused(
      'insert().values() of a hidden column',
      'ERR_QUERY_UNSUPPORTED',
      (world) =>
        insert(world)
          .values({ id: 1, text: 'a', text_hmac: 'x' } as never)
          .execute(),
      'mortise maintains it',
    ),
    supported('insert().orIgnore()', async (world) => {
      await insert(world).values({ id: 11, text: 'again', weight: 0 }).orIgnore().execute()
      expect(await world.notes.findOneBy({ id: 11 })).toMatchObject({ text: 'n11' })
    }),
    supported(
      'insert().orUpdate()',
      async (world) => {
        const values = { id: 11, text: 'over', weight: 0 }
        await insert(world).values(values).orUpdate(['text', 'text_hmac'], ['id']).execute()
        expect(await world.notes.findOneBy({ text: 'over' })).toMatchObject({ id: 11, weight: 1 })
      },
      'naming all columns of the property',
    ),
    refused(
      'insert().orUpdate() of the envelope without its tokens',
      'ERR_QUERY_UNSUPPORTED',
      (world) =>
        insert(world).values({ id: 11, text: 'o', weight: 0 }).orUpdate(['text'], ['id']).execute(),
      'name all columns of the property',
    ),
    ciphertext('insert().returning()', async (world) => {
      const { raw } = await insert(world).values({ id: 5, text: 'r' }).returning('*').execute()
      expect(raw[0].text[0]).toBe(0xe1)
    }),
    supported('update().set().where()', async (world) => {
      const builder = world.patients.createQueryBuilder().update()
      await builder.set({ income: 3, ward: 'U' }).where({ email: 'p1@x.org' }).execute()
      expect(await world.patients.findOneBy({ id: 1 })).toMatchObject({ income: 3, ward: 'U' })
    }),
    refused(
      'update().set() with an SQL expression',
      'ERR_QUERY_UNSUPPORTED',
      (world) =>
        world.patients
          .createQueryBuilder()
          .update()
          .set({ income: () => 'income + 1' })
          .execute(),
      'load the rows and save them',
    ),
    refused(
      'update().set() of a plain column from an encrypted one',
      'ERR_QUERY_UNSUPPORTED',
      (world) =>
        world.patients
          .createQueryBuilder()
          .update()
          .set({ ward: () => '"email"' })
          .execute(),
      'load the rows and save them',
    ),
    supported('update().set() of a plain column by CASE over tokens', async (world) => {
      const ward = () => `CASE WHEN "email" = 'p1@x.org' THEN 'X' ELSE ward END`
      await world.patients.createQueryBuilder().update().set({ ward }).execute()
      expect(await world.patients.countBy({ ward: 'X' })).toBe(1)
    }),
    ciphertext('update().returning()', async (world) => {
      const builder = world.notes.createQueryBuilder().update().set({ text: 'r' })
      const { raw } = await builder.where('id = 11').returning('text').execute()
      expect(raw[0].text[0]).toBe(0xe1)
    }),
    supported('delete().where(), softDelete(), restore()', async (world) => {
      await world.notes.createQueryBuilder().delete().where({ text: 'n11' }).execute()
      expect(await world.notes.count()).toBe(5)
      await world.builder().softDelete().where('email = :e', { e: 'p1@x.org' }).execute()
      expect(await world.patients.count()).toBe(2)
      await world.builder().restore().where({ email: 'p1@x.org' }).execute()
      expect(await world.patients.count()).toBe(3)
    }),
    refused(
      'delete().where() of a range',
      'ERR_QUERY_UNSUPPORTED',
      (world) => world.notes.createQueryBuilder().delete().where('weight > 1').execute(),
      'find the rows, and delete by id',
    ),
    supported('relation().of().set(), add(), remove()', async (world) => {
      const relation = world.dataSource.createQueryBuilder().relation(Patient, 'notes')
      await relation.of(1).remove(11)
      await relation.of(2).add(11)
      const where = { patient: { email: 'p2@x.org' } }
      expect(await world.notes.countBy(where)).toBe(3)
    }),
  ],
}
