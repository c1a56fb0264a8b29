import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyProvider } from '../../src'
import { createDatabase, type TestDatabase } from '../database'
import { countedProvider } from './counted-provider'
import { Person, Pet, type Setup, setUp } from './people'

let database: TestDatabase
let setup: Setup

/** Sealing takes as long as a call of a KMS over the network. */
function slowProvider(): KeyProvider {
  const { provider } = countedProvider()
  return {
    ...provider,
    async wrapKey(key, context) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      return provider.wrapKey(key, context)
    },
  }
}

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(
    database.url,
    [Person, Pet],
    {},
    {
      keyring: { providers: [slowProvider()], wrapping: 'provider' },
    },
  )
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = () => setup.dataSource.getRepository(Person)
const person = (id: number) => ({ id, ward: 'A', email: `p${id}@x.org`, income: id })

describe('a statement whose values are being sealed', () => {
  it('is sent before the ROLLBACK that another one causes', async () => {
    const together = setup.dataSource.transaction(async (manager) => {
      await Promise.all([
        manager.insert(Person, person(1)),
        manager.query('SELECT * FROM there_is_no_such_table'),
      ])
    })
    await expect(together).rejects.toMatchObject({ code: '42P01' })
    expect(await people().countBy({ id: 1 })).toBe(0)
  })

  it('is sent before a COMMIT that did not wait for it', async () => {
    let inserting: Promise<unknown> | undefined
    await setup.dataSource.transaction(async (manager) => {
      inserting = manager.insert(Person, person(2))
      await manager.query('SELECT 1')
    })
    expect(await people().countBy({ id: 2 })).toBe(1)
    await inserting
  })

  it('is not sent on a connection that was given back meanwhile', async () => {
    const runner = setup.dataSource.createQueryRunner()
    await runner.query('SELECT 1')
    const inserting = runner.manager.insert(Person, person(3))
    const outcome = expect(inserting).rejects.toMatchObject({
      name: 'QueryRunnerAlreadyReleasedError',
    })
    await runner.query('SELECT 1')
    await runner.release()
    await outcome
    expect(await people().countBy({ id: 3 })).toBe(0)
  })
})
