import fc from 'fast-check'
import { expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyState } from '../../src/key-store/store'
import { describeKeyStore } from './contract'
import { describeHistoryStore } from './history-contract'
import { someKey } from './records'
import { describeSubjectStore } from './subject-contract'

describeKeyStore('memoryKeyStore', async () => {
  const store = memoryKeyStore()
  return () => store
})
describeSubjectStore('memoryKeyStore', async () => {
  const store = memoryKeyStore()
  return () => store
})
describeHistoryStore('memoryKeyStore', async () => {
  const store = memoryKeyStore()
  return () => store
})

it('two memory stores share nothing', async () => {
  await memoryKeyStore().insertKey({ key: someKey(), demote: null })
  expect(await memoryKeyStore().loadEpoch('default')).toBe(0)
})

it('whatever writers ask for: no gap, one active key at most, epochs that only rise', async () => {
  const states: KeyState[] = ['active', 'decrypt-only', 'disabled', 'destroyed']
  const insertion = fc.record({ version: fc.integer({ min: 1, max: 6 }), demote: fc.nat(5) })
  const change = fc.record({
    key: fc.nat(5),
    from: fc.constantFrom(...states),
    to: fc.constantFrom(...states),
  })
  const runs = fc.array(fc.oneof(insertion, change), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(runs, async (steps) => {
      const store = memoryKeyStore()
      const ids: string[] = []
      let epoch = 0
      for (const step of steps) {
        let changed: boolean
        if ('version' in step) {
          const key = someKey({ version: step.version })
          changed = await store.insertKey({ key, demote: ids[step.demote] ?? null })
          if (changed) ids.push(key.id)
        } else changed = await store.changeState(ids[step.key] ?? '', step.from, step.to)
        const loaded = await store.loadKeys('default')
        expect(loaded.epoch).toBe(changed ? ++epoch : epoch)
        expect(loaded.keys.map(({ version }) => version)).toEqual(ids.map((_, i) => i + 1))
        const active = loaded.keys.filter(({ state }) => state === 'active')
        expect(active.length).toBeLessThanOrEqual(1)
      }
    }),
    { numRuns: process.env.SLOW === '1' ? 5000 : 200 },
  )
})
