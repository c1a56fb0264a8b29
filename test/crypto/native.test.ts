import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { nativeAddon, nativeStatus, OPERATIONS } from '../../src/crypto/native'

const built = existsSync(`prebuilds/${process.platform}-${process.arch}/mortise.node`)
const switchedOff = process.env.MORTISE_NATIVE === '0'

describe('the native path', () => {
  it('is used where its addon was built and nobody switched it off', () => {
    expect(nativeStatus().active).toBe(built && !switchedOff)
    expect(nativeAddon() !== null).toBe(nativeStatus().active)
  })

  it.runIf(built && !switchedOff)('refuses what is no page', () => {
    const none = new Uint8Array()
    const run = (index: Uint32Array): Buffer | undefined =>
      nativeAddon()?.run(OPERATIONS.open, none, none, none, index, none)
    expect(run(new Uint32Array(0))).toEqual(Buffer.alloc(0))
    expect(() => run(new Uint32Array(5))).toThrow(RangeError)
    expect(() => run(new Uint32Array(6))).toThrow(RangeError)
  })
})
