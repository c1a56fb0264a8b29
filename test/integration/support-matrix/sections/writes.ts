import { expect } from 'vitest'
import { Counter, Note, Patient } from '../entities'
import { refused, type Section, supported } from '../matrix'
import type { World } from '../world'

const updates = ({ log }: World) => log.filter((line) => line.startsWith('UPDATE "patient"'))
const first = ({ patients }: World) => patients.findOneByOrFail({ id: 1 })

export const writes: Section = {
  title: 'Writes through repositories and managers',
  rows: [
    supported('save, new entity', async (world) => {
      const entity = world.patients.create({ id: 4, ward: 'C', email: 'Four@x.org', income: 0 })
      await world.patients.save(entity)
      expect(await world.patients.findOneBy({ email: 'four@x.org' })).toMatchObject({ income: 0 })
    }),
    supported('save, changed entity', async (world) => {
      const one = await first(world)
      await world.patients.save(Object.assign(one, { email: 'new@x.org' }))
      expect(updates(world)).toHaveLength(1)
      expect(await world.patients.countBy({ email: 'new@x.org' })).toBe(1)
      expect(await world.patients.countBy({ email: 'p1@x.org' })).toBe(0)
    }),
    supported(
      'save, unchanged entity',
      async (world) => {
        const one = await first(world)
        const { version } = one
        await world.patients.save(one)
        expect(updates(world)).toEqual([])
        expect(await first(world)).toMatchObject({ version })
      },
      'no UPDATE, no new version',
    ),
    supported(
      'save, partial entity',
      async (world) => {
        await world.patients.save({ id: 1, income: 99 } as Patient)
        expect(await first(world)).toMatchObject({ email: 'p1@x.org', income: 99, surname: 'Abel' })
      },
      'what is undefined stays',
    ),
    supported(
      'save, null',
      async (world) => {
        await world.patients.save({ id: 1, income: null, surname: null } as Patient)
        expect(await world.stored(1)).toMatchObject({
          ...{ income: null, income_lofi: null },
          ...{ surname: null, surname_hmac: null, surname_lofi: null },
        })
      },
      'the index columns become NULL too',
    ),
    supported('save, json changed in place', async (world) => {
      const one = await first(world)
      one.chart?.allergies.push('more')
      await world.patients.save(one)
      expect((await first(world)).chart).toEqual({ allergies: ['a1', 'more'] })
    }),
    supported('save, cascaded', async (world) => {
      const notes = [{ id: 99, text: 'cascaded', weight: 1 }]
      await world.patients.save({ id: 4, ward: 'C', email: 'c@x.org', notes } as unknown as Patient)
      const where = { text: 'cascaded', patient: { email: 'c@x.org' } }
      expect(await world.notes.countBy(where)).toBe(1)
    }),
    supported('save, entity loaded with a partial select', async (world) => {
      const select = { id: true, ward: true, income: true } as const
      const [one] = await world.patients.find({ select, where: { id: 1 } })
      await world.patients.save(Object.assign(one as Patient, { ward: 'Z' }))
      expect(await first(world)).toMatchObject({ ward: 'Z', email: 'p1@x.org', surname: 'Abel' })
    }),
    supported(
      'save, twice, of what was not selected',
      async (world) => {
        const select = { id: true, ward: true } as const
        const [one] = await world.patients.find({ select, where: { id: 1 } })
        for (const ward of ['Y', 'Z']) {
          await world.patients.save(Object.assign(one as Patient, { ward }))
        }
        expect(await first(world)).toMatchObject({ ward: 'Z', income: 7, surname: 'Abel' })
        const hidden = { select: { hidden: true }, where: { id: 1 } } as const
        expect(await world.patients.findOneOrFail(hidden)).toMatchObject({ hidden: 'h1' })
      },
      'encrypted properties stay, where TypeORM writes NULL into plain ones',
    ),
    supported('save, many', async (world) => {
      const all = await world.patients.find()
      await world.patients.save(
        all.map((one) => Object.assign(one, { income: 1 })),
        { chunk: 2 },
      )
      expect(await world.patients.countBy({ income: 1 })).toBe(3)
    }),
    supported('save with listeners: false, reload: false, transaction: false', async (world) => {
      const options = { listeners: false, reload: false, transaction: false }
      await world.patients.save({ id: 5, ward: 'C', email: 'o@x.org' } as Patient, options)
      expect(await world.patients.countBy({ email: 'O@x.org' })).toBe(1)
    }),
    supported('merge, preload', async (world) => {
      const one = await world.patients.preload({ id: 1, income: 50 })
      expect(one).toMatchObject({ email: 'p1@x.org', income: 50 })
      await world.patients.save(world.patients.merge(one as Patient, { surname: 'Merged' }))
      expect(await first(world)).toMatchObject({ income: 50, surname: 'Merged' })
    }),
    supported('insert, one and many', async (world) => {
      const row = (id: number) => ({ id, ward: 'C', email: `i${id}@x.org`, income: id })
      await world.patients.insert(row(4))
      await world.patients.insert([row(5), row(6)])
      expect(await world.patients.countBy({ ward: 'C' })).toBe(3)
      expect(await world.patients.findOneBy({ email: 'i6@x.org' })).toMatchObject({ income: 6 })
    }),
    supported('update by id', async (world) => {
      await world.patients.update(1, { email: 'u@x.org', income: null })
      expect(await world.patients.findOneBy({ email: 'u@x.org' })).toMatchObject({ income: null })
    }),
    supported(
      'update by criteria that exact tokens answer',
      async (world) => {
        await world.patients.update({ email: 'P1@x.org' }, { surname: 'Same' })
        expect(await first(world)).toMatchObject({ surname: 'Same' })
        await world.patients.update({ ward: 'A' }, { income: 5 })
        expect(await world.patients.countBy({ income: 5 })).toBe(2)
      },
      'all matched rows get the same envelope, which shows that they are equal',
    ),
    refused(
      'update by criteria that need opened rows',
      'ERR_QUERY_UNSUPPORTED',
      (world) => world.patients.update({ income: 7 }, { ward: 'Z' }),
      'find them, and update by id',
    ),
    supported('upsert on an encrypted unique property', async (world) => {
      await world.patients.upsert({ id: 1, ward: 'U', email: 'P1@x.org', income: 3 }, ['email'])
      expect(await world.patients.find({ where: { email: 'p1@x.org' } })).toMatchObject([
        { id: 1, ward: 'U', income: 3 },
      ])
    }),
    supported('upsert on a plain key', async (world) => {
      await world.patients.upsert({ id: 2, ward: 'U', email: 'p2@x.org', income: 3 }, ['id'])
      expect(await world.patients.findOneBy({ id: 2 })).toMatchObject({ ward: 'U', income: 3 })
      expect(await world.patients.count()).toBe(3)
    }),
    refused(
      'upsert on an encrypted property without an exact index',
      'ERR_QUERY_UNSUPPORTED',
      (world) => world.patients.upsert({ id: 1, ward: 'U', email: 'x', income: 3 }, ['income']),
      'only untruncated tokens decide a conflict',
    ),
    supported(
      'upsert of an entity whose key the database makes',
      async (world) => {
        const counters = world.repository(Counter)
        await counters.upsert({ name: 'one' }, ['name'])
        await counters.upsert({ name: 'one' }, ['name'])
        expect(await counters.count()).toBe(1)
      },
      'by its encrypted unique property',
    ),
    refused(
      'upsert on a key that the database makes',
      'ERR_QUERY_UNSUPPORTED',
      (world) => world.repository(Counter).upsert({ id: 1, name: 'one' }, ['id']),
      'TypeORM would insert a second row; save() it, or name a unique property',
    ),
    supported('increment, decrement of a plain property', async (world) => {
      await world.patients.increment({ email: 'p1@x.org' }, 'visits', 2)
      await world.patients.decrement({ id: 1 }, 'visits', 1)
      expect(await first(world)).toMatchObject({ visits: 1, email: 'p1@x.org' })
    }),
    refused(
      'increment, decrement of an encrypted property',
      'ERR_QUERY_UNSUPPORTED',
      (world) => world.patients.increment({ id: 1 }, 'income', 1),
      'load the row and save it',
    ),
    supported('delete by id and by exact criteria', async (world) => {
      await world.notes.delete({ text: 'n11' })
      await world.notes.delete(12)
      expect(await world.notes.count()).toBe(4)
    }),
    refused(
      'delete by criteria that need opened rows',
      'ERR_QUERY_UNSUPPORTED',
      (world) => world.notes.delete({ weight: 1 }),
      'find them, and delete by id',
    ),
    supported('remove', async (world) => {
      await world.notes.remove(await world.notes.findBy({ text: 'n11' }))
      expect(await world.notes.countBy({ text: 'n11' })).toBe(0)
    }),
    supported('softRemove, recover', async (world) => {
      const one = await first(world)
      await world.patients.softRemove(one)
      expect(await world.patients.countBy({ email: 'p1@x.org' })).toBe(0)
      await world.patients.recover(one)
      expect(await first(world)).toMatchObject({ email: 'p1@x.org', income: 7 })
    }),
    supported('softDelete, restore by exact criteria', async (world) => {
      await world.patients.softDelete({ email: 'p1@x.org' })
      expect(await world.patients.count()).toBe(2)
      await world.patients.restore({ email: 'P1@X.org' })
      expect(await world.patients.countBy({ email: 'p1@x.org' })).toBe(1)
    }),
    supported('EntityManager: the same methods', async ({ dataSource: { manager } }) => {
      await manager.save(Note, { id: 50, text: 'm', weight: null })
      await manager.update(Note, { text: 'm' }, { weight: 4 })
      expect(await manager.findOneBy(Note, { text: 'm' })).toMatchObject({ weight: 4 })
      await manager.delete(Note, { text: 'm' })
      expect(await manager.countBy(Note, { text: 'm' })).toBe(0)
    }),
    supported('clear', async (world) => {
      await world.dataSource.query('TRUNCATE card')
      await world.notes.clear()
      expect(await world.notes.count()).toBe(0)
    }),
    supported('transactions', async (world) => {
      const failure = world.dataSource.transaction(async (manager) => {
        await manager.save(Patient, { id: 1, email: 'inside@x.org' })
        expect(await manager.countBy(Patient, { email: 'inside@x.org' })).toBe(1)
        throw new Error('rolled back')
      })
      await expect(failure).rejects.toThrow('rolled back')
      await world.dataSource.transaction((manager) =>
        manager.update(Patient, 2, { email: 'committed@x.org' }),
      )
      expect(await world.patients.countBy({ email: 'inside@x.org' })).toBe(0)
      expect(await world.patients.countBy({ email: 'committed@x.org' })).toBe(1)
    }),
    supported(
      'subscribers and listeners',
      async (world) => {
        const seen: unknown[] = []
        const subscriber = {
          beforeInsert: ({ entity }: { entity: Note }) => {
            seen.push(entity.text)
            entity.text = 'changed'
          },
          afterLoad: (entity: Note) => void seen.push(entity.text),
          beforeUpdate: ({ databaseEntity }: { databaseEntity: Note }) =>
            void seen.push(databaseEntity.text),
          listenTo: () => Note,
        }
        world.dataSource.subscribers.push(subscriber as never)
        try {
          await world.notes.save({ id: 70, text: 'given', weight: 1 } as Note)
          const note = await world.notes.findOneByOrFail({ id: 70 })
          await world.notes.save(Object.assign(note, { weight: 2 }))
        } finally {
          world.dataSource.subscribers.pop()
        }
        expect(seen).toEqual(expect.arrayContaining(['given', 'changed']))
        expect(new Set(seen)).toEqual(new Set(['given', 'changed']))
      },
      'see plaintext, and may change it before it is written',
    ),
  ],
}
