import { expect } from 'vitest'
import { Account } from '../entities'
import { refused, type Section, supported } from '../matrix'
import type { World } from '../world'

const accounts = async ({ repository, log }: World) => {
  const found = repository(Account)
  await found.insert([
    { id: 1, branch: 'A', balance: 5 },
    { id: 2, branch: 'A', balance: 15 },
  ])
  log.length = 0
  return found
}

export const rowBinding: Section = {
  title: 'Properties with `bindRow`',
  rows: [
    supported(
      'find, conditions, order',
      async (world) => {
        const bound = await accounts(world)
        const found = await bound.find({ select: { balance: true }, order: { balance: 'DESC' } })
        expect(found.map(({ balance }) => balance)).toEqual([15, 5])
      },
      'the primary key is selected along',
    ),
    supported('save, insert, update by id', async (world) => {
      const bound = await accounts(world)
      await bound.save({ ...(await bound.findOneByOrFail({ id: 1 })), balance: 7 })
      await bound.update(2, { balance: 8 })
      await bound.upsert({ id: 2, branch: 'B', balance: 9 }, ['id'])
      expect((await bound.find({ order: { id: 'ASC' } })).map((one) => one.balance)).toEqual([7, 9])
    }),
    refused(
      'a value that was copied from another row',
      'ERR_DECRYPTION_FAILED',
      async (world) => {
        const bound = await accounts(world)
        const other = '(SELECT balance FROM account WHERE id = 2)'
        await world.dataSource.query(`UPDATE account SET balance = ${other} WHERE id = 1`)
        world.log.length = 0
        return bound.find()
      },
      'it was moved',
    ),
    refused(
      'update by other criteria than the key',
      'ERR_ROW_UNKNOWN',
      async (world) => (await accounts(world)).update({ branch: 'A' }, { balance: 1 }),
      'find the rows, and update by id',
    ),
    refused(
      'update of the key',
      'ERR_QUERY_UNSUPPORTED',
      async (world) => (await accounts(world)).update(1, { id: 3 }),
      'insert anew, and remove',
    ),
  ],
}
