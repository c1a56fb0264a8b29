import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boundText, encrypted } from './entities'
import { builders } from './queries/builders'
import { cached } from './queries/cached'
import { finders } from './queries/finders'
import { relations } from './queries/relations'
import { selections } from './queries/selections'
import { shapes } from './queries/shapes'
import { readerOf } from './reader'
import { bare, createWorlds, type World, type Worlds } from './worlds'

const GROUPS = { finders, selections, relations, builders, shapes, cached }
const DECLARATIONS = { 'as bytea': encrypted, 'as text bound to rows': boundText }

describe.each(Object.entries(DECLARATIONS))('%s', (_declaration, declare) => {
  let worlds: Worlds
  beforeAll(async () => {
    worlds = await createWorlds(declare, { cache: true })
  })
  afterAll(() => worlds?.close())

  describe.each(Object.entries(GROUPS))('%s answer as in clear', (_group, queries) => {
    it.each(Object.entries(queries))('%s', async (_name, query) => {
      const answer = async (world: World) => bare(await query(readerOf(world)))
      expect(await answer(worlds.sealed)).toEqual(await answer(worlds.clear))
    })
  })
})
