import type { EntityMetadata } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { entitySelects } from '../../src/typeorm/entity-selects'

const builderOf = (selections: readonly string[], queryEntity = true) => ({
  expressionMap: { queryEntity, selects: selections.map((selection) => ({ selection })) },
})

describe('what is selected for an alias', () => {
  it('is made once where it is the whole entity', () => {
    const metadata = {} as EntityMetadata
    const list = (selections: string[], queryEntity?: boolean) =>
      entitySelects(builderOf(selections, queryEntity), 'p', metadata, () => [...selections])
    expect(list(['p'])).toBe(list(['p', 'pet']))
    expect(list(['p'], false)).not.toBe(list(['p']))
    expect(list(['p'], false)).toBe(list(['p'], false))
  })

  it('is made anew where parts are selected by name, another entity is, or another alias', () => {
    const metadata = {} as EntityMetadata
    const list = (selections: string[], alias = 'p', entity = metadata) =>
      entitySelects(builderOf(selections), alias, entity, () => [...selections])
    const whole = list(['p'])
    expect(list(['p', 'p.email'])).toEqual(['p', 'p.email'])
    expect(list(['p.email'])).toEqual(['p.email'])
    expect(list(['pet'])).toEqual(['pet'])
    expect(list(['p', 'q'], 'q')).toEqual(['p', 'q'])
    expect(list(['p'], 'p', {} as EntityMetadata)).not.toBe(whole)
    expect(list(['p'])).toBe(whole)
  })

  it('is not kept for more aliases than an application writes', () => {
    const metadata = {} as EntityMetadata
    const list = (alias: string) =>
      entitySelects(builderOf([alias]), alias, metadata, () => [alias])
    for (let i = 0; i < 1000; i++) list(`a${i}`)
    expect(list('a0')).toBe(list('a0'))
    expect(list('a999')).not.toBe(list('a999'))
  })
})
