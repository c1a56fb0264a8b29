import { expect } from 'vitest'
import { Patient } from '../entities'
import { refused, type Section, supported } from '../matrix'

const WHERE = { email: 'P1@x.org' }

export const finds: Section = {
  title: 'Finders',
  rows: [
    supported('find, findBy', async ({ patients }) => {
      expect(await patients.find({ where: WHERE })).toMatchObject([{ id: 1, income: 7 }])
      expect(await patients.findBy(WHERE)).toMatchObject([{ email: 'p1@x.org', surname: 'Abel' }])
    }),
    supported('findOne, findOneBy', async ({ patients }) => {
      expect(await patients.findOne({ where: WHERE })).toMatchObject({ id: 1 })
      expect(await patients.findOneBy({ email: 'none@x.org' })).toBeNull()
    }),
    supported(
      'findOneOrFail, findOneByOrFail',
      async ({ patients }) => {
        expect(await patients.findOneByOrFail(WHERE)).toMatchObject({ id: 1 })
        const failing = patients.findOneOrFail({ where: { email: 'none@x.org' } })
        await expect(failing).rejects.toThrow(/\[encrypted Patient\.email\]/)
      },
      'EntityNotFoundError shows no value',
    ),
    supported('findAndCount, findAndCountBy', async ({ patients }) => {
      const where = { surname: 'Abel' }
      expect(await patients.findAndCount({ where, take: 1 })).toMatchObject([[{ id: 1 }], 1])
      expect((await patients.findAndCountBy(where))[1]).toBe(1)
    }),
    supported('exists, existsBy', async ({ patients }) => {
      expect(await patients.existsBy(WHERE)).toBe(true)
      expect(await patients.exists({ where: { surname: 'Nobody' } })).toBe(false)
    }),
    supported('select', async ({ patients }) => {
      const [one] = await patients.find({ select: { id: true, email: true }, where: { id: 1 } })
      expect(JSON.parse(JSON.stringify(one))).toEqual({ id: 1, email: 'p1@x.org' })
    }),
    supported('select of a property with select: false', async ({ patients, builder }) => {
      const [one] = await patients.find({ select: { id: true, hidden: true }, where: { id: 1 } })
      expect(one?.hidden).toBe('h1')
      expect((await patients.findOneBy({ id: 1 }))?.hidden).toBeUndefined()
      const added = await builder().addSelect('p.hidden').where('p.id = 2').getOne()
      expect(added).toMatchObject({ hidden: 'h2', email: 'p2@x.org' })
    }),
    supported('conditions on a property with select: false', async ({ patients }) => {
      const found = await patients.findBy({ hidden: 'h2' })
      expect(found).toMatchObject([{ id: 2 }])
      expect(found[0]?.hidden).toBeUndefined()
    }),
    supported('withDeleted', async ({ patients }) => {
      await patients.softDelete(1)
      expect(await patients.find({ where: WHERE, withDeleted: true })).toMatchObject([
        { id: 1, email: 'p1@x.org' },
      ])
      expect(await patients.findBy(WHERE)).toEqual([])
    }),
    supported('lock', async ({ dataSource }) => {
      await dataSource.transaction(async (manager) => {
        const lock = { mode: 'pessimistic_write' as const }
        expect(await manager.findOne(Patient, { where: WHERE, lock })).toMatchObject({ id: 1 })
        const where = { income: 7 }
        expect(await manager.find(Patient, { where, lock, take: 1 })).toMatchObject([{ id: 1 }])
      })
    }),
    supported('comment, transaction: true', async ({ patients, log }) => {
      const options = { where: WHERE, comment: 'asked by a test', transaction: true }
      expect(await patients.findOne(options)).toMatchObject({ id: 1 })
      expect(log.join()).toContain('asked by a test')
    }),
    supported('EntityManager.find and its kin', async ({ dataSource: { manager } }) => {
      expect(await manager.find(Patient, { where: WHERE })).toMatchObject([{ id: 1 }])
      expect(await manager.existsBy(Patient, WHERE)).toBe(true)
    }),
    supported('Repository.extend()', async ({ patients }) => {
      const own = patients.extend({
        byMail(email: string) {
          return this.findOneBy({ email })
        },
      })
      expect(await own.byMail('p1@x.org')).toMatchObject({ id: 1, income: 7 })
    }),
    supported('hasId, getId, create', async ({ patients }) => {
      const one = await patients.findOneByOrFail(WHERE)
      expect([patients.hasId(one), patients.getId(one)]).toEqual([true, 1])
      expect(patients.create(one)).toMatchObject({ email: 'p1@x.org', income: 7 })
    }),
    refused(
      'equality without an index',
      'ERR_QUERY_UNSUPPORTED',
      ({ patients }) => patients.findBy({ chart: { allergies: [] } as never }),
      'declare exact',
    ),
  ],
}
