import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../../database'
import { renderMatrix } from './matrix'
import { SECTIONS } from './sections'
import { createWorld, reset, type World } from './world'

const PAGE = resolve(__dirname, '../../../docs/support-matrix.md')

let database: TestDatabase
let world: World & { close(): Promise<void> }

beforeAll(async () => {
  database = await createDatabase()
  world = await createWorld(database.url)
})

beforeEach(() => reset(world))

afterAll(async () => {
  await world?.close()
  await database?.drop()
})

describe.each(SECTIONS.map((section) => [section.title, section] as const))('%s', (_, { rows }) => {
  it.each(rows.map((row) => [row.entryPoint, row] as const))('%s', async (_entryPoint, row) => {
    const run = async () => row.run(world)
    if (typeof row.outcome === 'string') {
      await run()
      return
    }
    const { refused } = row.outcome
    const written = () => world.log.filter((line) => /^(INSERT|UPDATE|DELETE) /.test(line))
    await expect(run()).rejects.toMatchObject({
      code: refused,
      message: expect.stringMatching(/^\w+\.\w+[: ]/),
    })
    expect(written()).toEqual([])
  })
})

describe('docs/support-matrix.md', () => {
  it('has exactly these rows, each once', () => {
    const names = SECTIONS.flatMap(({ title, rows }) =>
      rows.map(({ entryPoint }) => `${title}: ${entryPoint}`),
    )
    expect(new Set(names).size).toBe(names.length)
    const page = renderMatrix(SECTIONS)
    if (process.env.UPDATE_SUPPORT_MATRIX) writeFileSync(PAGE, page)
    expect(readFileSync(PAGE, 'utf8')).toBe(page)
  })
})
