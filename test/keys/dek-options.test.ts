import { describe, expect, it } from 'vitest'
import { checkDekOptions, type DekOptions } from '../../src/keys/dek-options'

const DEFAULTS = { concurrency: 16, ttlMs: 300_000, maxUses: 1000, maxCached: 10_000 }

describe('checkDekOptions', () => {
  it('fills in defaults, also for what is undefined', () => {
    expect(checkDekOptions()).toEqual(DEFAULTS)
    expect(checkDekOptions({ ttlMs: undefined })).toEqual(DEFAULTS)
    expect(checkDekOptions({ concurrency: 4 })).toEqual({ ...DEFAULTS, concurrency: 4 })
  })

  it.each<[keyof DekOptions, number, number]>([
    ['concurrency', 1, 1000],
    ['ttlMs', 0, 3_600_000],
    ['maxUses', 1, 1_000_000],
    ['maxCached', 0, 1_000_000],
  ])('accepts %s from %i to %i', (name, min, max) => {
    for (const value of [min, max]) expect(checkDekOptions({ [name]: value })[name]).toBe(value)
    const refusal = expect.objectContaining({
      code: 'ERR_CONFIG',
      message: `deks.${name} must be a whole number, ${min} to ${max}`,
    })
    for (const value of [min - 1, max + 1, min + 0.5, Number.NaN, '5' as unknown as number]) {
      expect(() => checkDekOptions({ [name]: value })).toThrow(refusal)
    }
  })
})
