import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import { reencrypt, rotateKek, verify } from '../../../src/rotation'
import { createDatabase, type TestDatabase } from '../../database'
import { type Application, Before, Between, start, step } from './versions'

const ROWS = 12
let database: TestDatabase
let between: Application

beforeEach(async () => {
  database = await createDatabase()
  const secret = generateRootKey()
  const before = await start(database.url, secret, Before, { synchronize: true })
  const people = before.dataSource.getRepository(Before)
  await people.save(
    Array.from({ length: ROWS }, (_, id) => {
      const city = id % 3 === 0 ? null : `city ${id}`
      return people.create({ id, email: `${id}@x.org`, income: id * 70, city, name: `n${id}` })
    }),
  )
  await before.dataSource.destroy()
  between = await start(database.url, secret, Between, { synchronize: true })
  await rotateKek(between.keyring, { purpose: 'index' })
})

afterEach(async () => {
  await between?.dataSource.destroy()
  await database?.drop()
})

/** Before, with both generations in their columns, with either in a field's own, and after. */
const LOOKED_AT = ['unchanged', 'written', 'copied', 'done']

const VALUES = ROWS * 4 - ROWS / 3

describe('while indexes change, verify and reencrypt', () => {
  it('find rows of either generation right in every state, and damage of both columns', async () => {
    const { dataSource } = between
    const damaged = async (column: string) => {
      const flip = `UPDATE person SET ${column} = set_byte(${column}, 3, get_byte(${column}, 3) # 1)
        WHERE id = 1 RETURNING id`
      const [[row]] = (await dataSource.query(flip)) as [{ id: number }[]]
      if (row === undefined) return []
      const { failed } = await verify(dataSource, { open: true })
      await dataSource.query(flip)
      return failed.map(({ primaryKey, field, code }) => [primaryKey.id, field, code])
    }
    const states: string[] = ['unchanged']
    for (let state = 'unchanged'; ; states.push(state)) {
      if (process.env.SLOW === '1' || LOOKED_AT.includes(state)) {
        const report = await verify(dataSource, { open: true })
        expect(report).toMatchObject({ done: VALUES, failedCount: 0, failed: [] })
      }
      if (state === 'asked') {
        expect(await verify(dataSource)).toMatchObject({ done: VALUES, failedCount: 0 })
        expect(await reencrypt(dataSource)).toMatchObject({ done: VALUES, failedCount: 0 })
        const mismatch = [['1', expect.stringMatching(/email$/), 'ERR_INDEX_MISMATCH']]
        expect(await damaged('email_hmac')).toEqual(mismatch)
        expect(await damaged('email_hmac_next')).toEqual(mismatch)
      }
      if (state === 'done') break
      state = (await step(between)).state
    }
    expect(states).toEqual(expect.arrayContaining([...LOOKED_AT.slice(0, -1)]))
  })

  it('find rows right whose index changed since they began', async () => {
    const { dataSource } = between
    let pages = 0
    const pauseWhile = async () => {
      pages += 1
      if (pages === 2) while ((await step(between)).state !== 'copied');
      return false
    }
    const report = await verify(dataSource, { open: true, batchSize: 5, workers: 1, pauseWhile })
    expect(report).toMatchObject({ done: VALUES, failedCount: 0, failed: [] })
    expect(pages).toBeGreaterThan(2)
  })
})
