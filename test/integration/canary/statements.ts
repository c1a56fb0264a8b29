import {
  And,
  Between,
  Brackets,
  type DataSource,
  In,
  IsNull,
  LessThan,
  Like,
  MoreThan,
  Not,
  NotBrackets,
  type QueryRunner,
} from 'typeorm'
import { canaries, Holder, holder, Remark, remark } from './entities'

/** Every way to write, by name. Each works with rows of its own. */
export function writes(dataSource: DataSource): Record<string, () => Promise<unknown>> {
  const holders = dataSource.getRepository(Holder)
  const { manager } = dataSource
  return {
    'save new': () => holders.save(holders.create(holder(1))),
    'save an array': () => holders.save([holder(2), holder(3)].map((one) => holders.create(one))),
    'save a cascade': () => holders.save({ ...holder(4), remarks: [remark(1), remark(2)] }),
    'save changed': async () => {
      const loaded = await holders.findOneByOrFail({ id: 1 })
      return holders.save(Object.assign(loaded, canaries(5)))
    },
    'save partial': () => holders.save({ id: 2, ward: 'B', memo: canaries(6).memo }),
    'save without listeners': () => holders.save(holder(7), { listeners: false }),
    'preload and merge': async () => {
      const loaded = await holders.preload({ id: 1, surname: canaries(8).surname })
      return holders.save(holders.merge(loaded as Holder, { income: canaries(8).income }))
    },
    'insert one': () => holders.insert(holder(9) as never),
    'insert many': () => holders.insert([holder(10), holder(11)] as never),
    'update by id': () =>
      holders.update(9, { memo: canaries(12).memo, chart: canaries(12).chart as never }),
    'update by criteria': () =>
      holders.update({ email: canaries(10).email }, { born: canaries(13).born }),
    upsert: () =>
      holders.upsert([holder(10), { ...holder(14), email: canaries(11).email, id: 11 }] as never, [
        'email',
      ]),
    'insert of a builder': () =>
      holders
        .createQueryBuilder()
        .insert()
        .values(holder(15) as never)
        .execute(),
    'insert or ignore': () =>
      holders
        .createQueryBuilder()
        .insert()
        .values(holder(15) as never)
        .orIgnore()
        .execute(),
    'insert or update': () =>
      holders
        .createQueryBuilder()
        .insert()
        .values(holder(15) as never)
        .orUpdate(['memo'], ['id'])
        .execute(),
    'insert returning': () =>
      holders
        .createQueryBuilder()
        .insert()
        .values(holder(16) as never)
        .returning('*')
        .execute(),
    'update of a builder': () =>
      holders
        .createQueryBuilder()
        .update()
        .set({ surname: canaries(17).surname, account: canaries(17).account })
        .where({ account: canaries(9).account })
        .returning('*')
        .execute(),
    'a transaction': () =>
      dataSource.transaction(async (inner) => {
        await inner.save(Holder, holder(18))
        await inner.update(Holder, 18, { seen: canaries(19).seen })
      }),
    'a transaction that rolls back': () =>
      dataSource
        .transaction(async (inner) => {
          await inner.save(Holder, holder(20))
          throw new Error('rolled back')
        })
        .catch(() => {}),
    'a relation': () => manager.createQueryBuilder().relation(Holder, 'remarks').of(9).add(1),
    'soft removal': async () => holders.softRemove(await holders.findOneByOrFail({ id: 16 })),
    'soft delete by criteria': () => holders.softDelete({ email: canaries(18).email }),
    'restore by criteria': () => holders.restore({ email: canaries(18).email }),
    'delete by criteria': () => holders.delete({ badge: canaries(18).badge }),
    'delete of a builder': () =>
      holders
        .createQueryBuilder()
        .delete()
        .where({ born: canaries(21).born })
        .execute(),
    removal: async () => holders.remove(await holders.findOneByOrFail({ id: 15 })),
    'increment of a plain column': () =>
      holders.increment({ email: canaries(3).email }, 'version', 1),
    null: () => holders.update(11, { surname: null, income: null, memo: null }),
  }
}

/** Every way to ask. */
export function queries(dataSource: DataSource): Record<string, () => Promise<unknown>> {
  const holders = dataSource.getRepository(Holder)
  const { email, surname, income, account, born, seen, badge } = canaries(3)
  const ask = () => holders.createQueryBuilder('h')
  const find = (where: object) => () => holders.find({ where, order: { income: 'ASC' }, take: 3 })
  return {
    equality: find({ email, badge }),
    'In and Not': find({ email: In([email]), account: Not(account) }),
    ranges: find({
      income: Between(income - 1, income),
      born: MoreThan(born),
      seen: LessThan(seen),
    }),
    'And and IsNull': find({ income: And(MoreThan(income), LessThan(income)), surname: IsNull() }),
    alternatives: find([{ surname }, { account }]),
    'Like a prefix': find({ surname: Like('Wolfeschlegel%') }),
    relations: () =>
      holders.find({ relations: { remarks: true }, where: { remarks: { body: 'marginalia-1' } } }),
    count: () => holders.countBy({ income: MoreThan(income), email }),
    exists: () => holders.existsBy({ born }),
    'find one or fail': () => holders.findOneByOrFail({ email: `no.${email}` }),
    'the query cache': () =>
      holders.find({ where: { email }, cache: { id: 'canary', milliseconds: 60_000 } }),
    'the query cache, again': () =>
      holders.find({ where: { email }, cache: { id: 'canary', milliseconds: 60_000 } }),
    'the query cache by its key': () =>
      holders.find({ where: { email, surname: 'Wolfeschlegel' }, cache: true }),
    'objects of a builder': () => ask().where({ email, surname }).getMany(),
    'SQL text with parameters': () =>
      ask()
        .where('h.email = :email AND h.income BETWEEN :low AND :high', {
          email,
          low: income - 1,
          high: income,
        })
        .getMany(),
    'SQL text with literals': () =>
      ask().where(`h.email = '${email}' OR h.born > '${born}'`).getMany(),
    'SQL text that is refused': () => ask().where(`upper(h.email) = '${email}'`).getMany(),
    brackets: () =>
      ask()
        .where(new Brackets((q) => q.where('h.account = :account', { account })))
        .orWhere(new NotBrackets((q) => q.where({ income: MoreThan(income) })))
        .getManyAndCount(),
    'a join condition': () =>
      ask()
        .leftJoinAndSelect('h.remarks', 'r', 'r.body = :body', { body: 'marginalia-1' })
        .getMany(),
    'raw rows': () => ask().where({ email }).getRawMany(),
    'raw rows and entities': () => ask().where({ email }).getRawAndEntities(),
    'a range of raw rows, refused': () =>
      ask()
        .where({ income: MoreThan(income) })
        .getRawMany(),
  }
}

/** Every way to fail in the database or before. */
export function failures(dataSource: DataSource): Record<string, () => Promise<unknown>> {
  const holders = dataSource.getRepository(Holder)
  return {
    'unique violation of save': () => holders.save({ ...holder(40), email: canaries(3).email }),
    'unique violation of insert': () =>
      holders.insert({ ...holder(41), email: canaries(3).email } as never),
    'unique violation of update': () =>
      holders.update(1, { email: canaries(3).email, ...{ memo: canaries(42).memo } }),
    'unique violation of a key': () => holders.insert(holder(3) as never),
    'not null of a plain column': () => holders.insert({ ...holder(43), ward: null } as never),
    'not null of an encrypted column': () =>
      holders.insert({ ...holder(44), email: null } as never),
    'check violation': () => holders.insert({ ...holder(45), ward: 'closed' } as never),
    'check violation of update': () =>
      holders.update(1, { ward: 'closed', memo: canaries(46).memo }),
    'foreign key violation': () =>
      dataSource.getRepository(Remark).save({ ...remark(47), holder: { id: 4711 } as Holder }),
    'wrong type of a plain column': () => holders.insert({ ...holder(48), id: 'x' } as never),
    'wrong type of an encrypted column': () =>
      holders.save({ ...holder(49), income: canaries(49).email as never }),
    'no subject': () =>
      dataSource
        .getRepository(Remark)
        .save({ id: 50, body: 'marginalia-50', holder: { id: 1 } as Holder }),
    'increment of an encrypted column': () =>
      holders.increment({ email: canaries(3).email }, 'income', 48_000.328125),
    'lossy criteria': () =>
      holders.update({ income: MoreThan(canaries(3).income) }, { memo: canaries(51).memo }),
    'a deadlock': () => deadlock(dataSource),
    'a statement timeout': () => timeout(dataSource),
  }
}

async function inRunners(
  dataSource: DataSource,
  run: (one: QueryRunner, other: QueryRunner) => Promise<unknown>,
) {
  const runners = [dataSource.createQueryRunner(), dataSource.createQueryRunner()] as const
  for (const runner of runners) await runner.startTransaction()
  try {
    return await run(...runners)
  } finally {
    for (const runner of runners) {
      await runner.rollbackTransaction().catch(() => {})
      await runner.release()
    }
  }
}

const touch = (runner: QueryRunner, id: number) =>
  runner.manager.update(Holder, id, {
    memo: canaries(60 + id).memo,
    surname: canaries(60 + id).surname,
  })

function deadlock(dataSource: DataSource): Promise<unknown> {
  return inRunners(dataSource, async (one, other) => {
    await touch(one, 1)
    await touch(other, 2)
    const outcomes = await Promise.allSettled([touch(one, 2), touch(other, 1)])
    const lost = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    throw lost.reason
  })
}

function timeout(dataSource: DataSource): Promise<unknown> {
  return inRunners(dataSource, async (one, other) => {
    await touch(one, 1)
    await other.query(`SET LOCAL statement_timeout = '100ms'`)
    return touch(other, 1)
  })
}
