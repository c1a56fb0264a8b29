import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import { INDEX_STATES, type IndexRecord, type IndexState } from '../../src/key-store/store'
import type { IndexDeclaration, IndexStage } from '../../src/keys/access'
import { createKeyring, keyAccess, keyControl } from '../../src/keys/keyring'
import { rejection, scriptedProvider } from './fixtures'

const FIELD = 'person.email'
const indexed = (normaliser: string): NonNullable<IndexDeclaration['next']> => ({
  fieldId: FIELD,
  exact: { normaliser, bits: 128, group: null },
  range: null,
})
const [old, made] = [indexed(''), indexed('email@1')]
const before: IndexDeclaration = { ...old, next: null }
const between: IndexDeclaration = { ...old, next: made }
const after: IndexDeclaration = { ...made, next: null }

/** Processes over one key store. */
function processes() {
  const store = memoryKeyStore()
  const provider = scriptedProvider()
  const start = async (declaration: IndexDeclaration, epochPollMs = 0) => {
    const keyring = createKeyring({ providers: [provider], store, cache: { epochPollMs } })
    const access = keyAccess(keyring)
    await access.declareIndexes([declaration])
    return { access, control: keyControl(keyring).indexes }
  }
  const generations = async () => {
    const records = await store.loadIndexes('default')
    return {
      active: records.find(({ state }) => state === 'active') as IndexRecord,
      next: records.find(({ state }) => state !== 'active') as IndexRecord,
    }
  }
  return { store, start, generations }
}

const STATES = INDEX_STATES.filter((state) => state !== 'active')
const isAtLeast = (state: IndexState, other: IndexState) =>
  INDEX_STATES.indexOf(state) >= INDEX_STATES.indexOf(other)

describe('the stages of a change', () => {
  it.each(STATES)('%s: what each version of an application may do', async (state) => {
    const { start, generations } = processes()
    const [one, two] = [await start(before), await start(between)]
    await two.control.begin((await generations()).active, made)
    await two.control.advance((await generations()).next, state)
    const stage = await two.access.indexStage(FIELD)
    expect(stage.mayWrite).toBe(true)
    expect(stage.ownColumns).toBe(isAtLeast(state, 'copied') ? 'next' : 'current')
    const isFilled = isAtLeast(state, 'written') && !isAtLeast(state, 'emptied')
    expect(stage.nextColumns).toBe(isFilled ? 'next' : 'null')
    if (isAtLeast(state, 'left')) {
      await rejection(one.access.indexStage(FIELD), 'ERR_INDEX_CHANGED')
      await rejection(one.access.tokenKey({ kind: 'field', name: FIELD }), 'ERR_INDEX_CHANGED')
      await rejection(start(before), 'ERR_INDEX_CHANGED')
    } else {
      expect(await one.access.indexStage(FIELD)).toMatchObject({
        asks: ['current'],
        mayWrite: false,
      })
      expect((await one.access.tokenKey({ kind: 'field', name: FIELD })).generation).toBe(1)
    }
    expect((await rejection(start(after), 'ERR_INDEX_CHANGED')).message).toMatch(/finished/)
  })

  it('nobody asks what may not be whole, whichever of two neighbouring states each writer has seen', async () => {
    const { start, generations } = processes()
    const { access, control } = await start(between)
    const stages: IndexStage[] = [await access.indexStage(FIELD)]
    await control.begin((await generations()).active, made)
    for (const state of STATES) {
      await control.advance((await generations()).next, state)
      stages.push(await access.indexStage(FIELD))
    }
    await control.remove((await generations()).active)
    await control.advance((await generations()).next, 'active')
    stages.push(await access.indexStage(FIELD))
    stages.forEach(({ asks }, i) => {
      // Writers may be one state behind or ahead; what is asked must be written by all of them.
      const writers = stages.slice(Math.max(0, i - 1), i + 2)
      for (const face of asks) {
        const isWritten = writers.every(({ ownColumns, nextColumns }) =>
          face === 'next'
            ? nextColumns === 'next'
            : ownColumns === (face === 'final' ? 'next' : 'current'),
        )
        expect([i, face, isWritten]).toEqual([i, face, true])
      }
      // A statement that was made in the state before is still right.
      if (i > 0) expect(asks).toContain(stages[i - 1]?.asks[0])
    })
  })

  it('is over when the former generation is gone: then the next version may come', async () => {
    const { start, generations, store } = processes()
    const { access, control } = await start(between)
    const former = await access.tokenKey({ kind: 'field', name: FIELD })
    await control.begin((await generations()).active, made)
    await control.advance((await generations()).next, 'emptied')
    const { active, next } = await generations()
    await control.remove(active)
    // A process that died between the two: the single generation counts.
    expect((await start(after)).access).toBeDefined()
    expect(await access.indexStage(FIELD)).toMatchObject({ ownColumns: 'next', asks: ['final'] })
    await control.advance(next, 'active')
    const { access: last } = await start(after)
    const key = await last.tokenKey({ kind: 'field', name: FIELD })
    expect(key.generation).toBe(2)
    expect(key.key.equals(former.key)).toBe(false)
    const same = await access.tokenKey({ kind: 'field', name: FIELD, generation: 'next' })
    expect(same.key.equals(key.key)).toBe(true)
    await rejection(access.tokenKey({ kind: 'field', name: FIELD }), 'ERR_INDEX_CHANGED')
    await rejection(start(before), 'ERR_INDEX_CHANGED')
    expect(await store.loadIndexes('default')).toHaveLength(1)
  })

  it('that was cut off within its last step does not stand in the way of the next one', async () => {
    const { start, generations, store } = processes()
    const { control } = await start(between)
    await control.begin((await generations()).active, made)
    await control.advance((await generations()).next, 'emptied')
    await control.remove((await generations()).active)
    const { access: later, control: operator } = await start({ ...made, next: old })
    const { active } = (await operator.generations()).get(FIELD) ?? {}
    await operator.begin(active as IndexRecord, old)
    expect(await later.indexStage(FIELD)).toMatchObject({ asks: ['current'], mayWrite: true })
    const states = (await store.loadIndexes('default')).map(({ state }) => state)
    expect(states.toSorted()).toEqual(['active', 'required'])
  })

  it('another process sees a state within its bound, and not before it looks', async () => {
    const { start, generations } = processes()
    const [operator, other] = [await start(between), await start(between, 150)]
    await other.access.indexStage(FIELD)
    await operator.control.begin((await generations()).active, made)
    await operator.control.advance((await generations()).next, 'written')
    expect((await other.access.indexStage(FIELD)).nextColumns).toBe('null')
    expect(other.access.knownIndexStage(FIELD)?.nextColumns).toBe('null')
    await sleep(200)
    expect((await other.access.indexStage(FIELD)).nextColumns).toBe('next')
    expect(other.access.knownIndexStage(FIELD)?.nextColumns).toBe('next')
  })

  it('a new key alone begins and ends with the same declaration', async () => {
    const { start, generations } = processes()
    const { access, control } = await start({ ...old, next: old })
    expect(await access.indexStage(FIELD)).toMatchObject({ asks: ['current', 'final'] })
    await control.begin((await generations()).active, old)
    await control.advance((await generations()).next, 'emptied')
    expect((await access.indexStage(FIELD)).asks).toEqual(['final'])
    await control.remove((await generations()).active)
    const name = { kind: 'field', name: FIELD } as const
    expect((await access.tokenKey(name)).generation).toBe(2)
    expect((await access.tokenKey({ ...name, generation: 'next' })).generation).toBe(2)
    expect((await (await start(before)).access.tokenKey(name)).generation).toBe(2)
  })

  it('a declaration of other parameters than those under way takes no part in it', async () => {
    const { start, generations } = processes()
    const { access, control } = await start(between)
    await control.begin((await generations()).active, made)
    const other = { ...made, exact: { normaliser: 'lowercase@1', bits: 128, group: null } }
    const stranger = await start({ ...old, next: other })
    expect((await stranger.access.indexStage(FIELD)).mayWrite).toBe(false)
    expect((await access.indexStage(FIELD)).mayWrite).toBe(true)
  })

  it('two who begin at once begin one change, and the second to move it changes nothing', async () => {
    const { start, generations, store } = processes()
    const [one, two] = [await start(between), await start(between)]
    const { active } = await generations()
    await Promise.all([one.control.begin(active, made), two.control.begin(active, made)])
    const { next } = await generations()
    await one.control.advance(next, 'written')
    await two.control.advance(next, 'filled')
    expect((await generations()).next.state).toBe('written')
    await two.control.remove(next)
    expect(await store.loadIndexes('default')).toHaveLength(2)
  })

  it('numbers generations from 1 to 255, and then from 1 again', async () => {
    const { start, generations, store } = processes()
    const { control } = await start(between)
    const { active } = await generations()
    await store.insertIndexes([{ ...active, generation: 255 }])
    await store.removeIndex(active)
    await control.begin((await generations()).active, made)
    expect((await generations()).next).toMatchObject({ generation: 1, state: 'required' })
  })
})
