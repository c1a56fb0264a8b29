import { expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import { describeKeyStore } from './contract'
import { someKey } from './records'

describeKeyStore('memoryKeyStore', async () => {
  const store = memoryKeyStore()
  return () => store
})

it('two memory stores share nothing', async () => {
  await memoryKeyStore().insertKey({ key: someKey(), demote: null })
  expect(await memoryKeyStore().loadEpoch('default')).toBe(0)
})
