import { existsSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type NativeAddon, nativeAddon, nativeStatus, OPERATIONS } from '../../src/crypto/native'

const built = existsSync(`prebuilds/${process.platform}-${process.arch}/mortise.node`)
const switchedOff = process.env.MORTISE_NATIVE === '0'

// Otherwise a build that fails would only skip the tests of what it builds.
it.runIf(process.env.MORTISE_REQUIRE_NATIVE === '1')('is there where it is required', () => {
  expect(nativeStatus()).toEqual({ active: true, reason: null })
})

describe('the native path', () => {
  afterEach(() => {
    vi.doUnmock('node:crypto')
    vi.unstubAllEnvs()
  })

  it('is used where its addon was built and nobody switched it off', () => {
    expect(nativeStatus().active).toBe(built && !switchedOff)
    expect(nativeAddon() !== null).toBe(nativeStatus().active)
  })

  it('is not used where it is switched off', async () => {
    vi.stubEnv('MORTISE_NATIVE', '0')
    expect(await freshStatus()).toEqual({ active: false, reason: 'switched off' })
  })

  it('is not used in FIPS mode: its key wrap is not of the validated module', async () => {
    vi.stubEnv('MORTISE_NATIVE', '')
    const crypto = await vi.importActual<typeof import('node:crypto')>('node:crypto')
    vi.doMock('node:crypto', () => ({ ...crypto, getFips: () => 1 }))
    expect(await freshStatus()).toEqual({ active: false, reason: 'not usable' })
  })
})

/** What a process that begins now finds. */
async function freshStatus(): Promise<unknown> {
  vi.resetModules()
  const fresh = await import('../../src/crypto/native.js')
  return fresh.nativeStatus()
}

describe.skipIf(nativeAddon() === null)('the addon (skipped where it is not used)', () => {
  const none = new Uint8Array()
  const key = new Uint8Array(40)
  const field = Uint8Array.of(0, ...Buffer.alloc(12), 0, 1, 0)

  /** @param index - key, field, offset, length, row id, DEK of each value */
  function run(operation: number, index: number[], rest: Partial<Page> = {}): Buffer {
    const { keys = key, fields = field, input = new Uint8Array(4096) } = rest
    const { run } = nativeAddon() as NativeAddon
    return run(operation as never, keys, none, fields, Uint32Array.from(index), input)
  }
  interface Page {
    keys: Uint8Array
    fields: Uint8Array
    input: Uint8Array
  }

  it('gives nothing for a page of no values', () => {
    for (const operation of Object.values(OPERATIONS)) expect(run(operation, [])).toHaveLength(0)
  })

  it('refuses an operation that there is not, and anything but typed arrays of the right kind', () => {
    expect(() => run(4, [])).toThrow(TypeError)
    expect(() => run(Number.NaN, [])).not.toThrow()
    for (const keys of [null, {}, 'text', [1], new DataView(new ArrayBuffer(40))]) {
      expect(() => run(OPERATIONS.open, [], { keys: keys as never })).toThrow(TypeError)
    }
    for (const other of [Int8Array, Uint8ClampedArray, Uint16Array, Float64Array]) {
      const input = new other(8) as never
      expect(() => run(OPERATIONS.open, [], { input })).toThrow(TypeError)
    }
    const { run: bare } = nativeAddon() as NativeAddon
    expect(() => (bare as (...few: unknown[]) => Buffer)(OPERATIONS.open)).toThrow(TypeError)
  })

  const { open, seal, rewrap, token } = OPERATIONS
  it.each([
    ['an index that ends within a value', open, [0, 0, 0, 99, 0]],
    ['a key that is not there', open, [1, 0, 0, 99, 0, 0]],
    ['a field that is not there', open, [0, 1, 0, 99, 0, 0]],
    ['an envelope without a ciphertext', open, [0, 0, 0, 98, 0, 0]],
    ['a value past the end', open, [0, 0, 3998, 99, 0, 0]],
    ['a row id past the end', open, [0, 0, 3997, 99, 1, 0]],
    ['an offset that wraps around', open, [0, 0, 0xffffffff, 99, 0, 0]],
    ['lengths that wrap around', open, [0, 0, 0, 0xffffffff, 0xffffffff, 0]],
    ['an empty plaintext', seal, [0, 0, 32, 0, 0, 0]],
    ['a DEK past the end', seal, [0, 0, 32, 1, 0, 4065]],
    ['a DEK that wraps around', seal, [0, 0, 32, 1, 0, 0xfffffff0]],
    ['a head of another length', rewrap, [0, 0, 0, 83, 0, 0]],
    ['a key to move to that is not there', rewrap, [0, 1, 0, 82, 0, 0]],
    ['a token under a key that is not there', token, [1, 0, 0, 4, 0, 0]],
  ])('refuses %s', (_name, operation, index) => {
    expect(() => run(operation, index)).toThrow(RangeError)
  })

  it('refuses keys and fields that end too early, and flags that no envelope under a key has', () => {
    expect(() => run(open, [], { keys: key.subarray(1) })).toThrow(RangeError)
    expect(() => run(open, [], { fields: field.subarray(1) })).toThrow(RangeError)
    const noAad = Uint8Array.of(...field.subarray(0, 13), 0, 0)
    expect(() => run(open, [], { fields: noAad })).toThrow(RangeError)
    const one = [0, 0, 32, 1, 0, 0]
    expect(run(seal, one)).toHaveLength(99)
    for (const flags of [1, 8, 16, 128]) {
      const fields = Uint8Array.of(flags, ...field.subarray(1))
      expect(() => run(seal, one, { fields })).toThrow(RangeError)
    }
  })

  it('rejects with what it throws, and has copied all when it returns', async () => {
    const { runAsync } = nativeAddon() as NativeAddon
    const input = Buffer.from('sixteen bytes ..')
    const page = () =>
      runAsync(token, key, none, none, Uint32Array.of(0, 0, 0, input.length, 0, 0), input)
    const expected = await page()
    const begun = page()
    input.fill(0)
    expect(await begun).toEqual(expected)
    await expect(page()).resolves.not.toEqual(expected)
  })
})
