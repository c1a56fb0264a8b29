import { describe, expect, it } from 'vitest'
import { randomBlob, randomHex, randomUuid } from '../../src/testing/random'

describe('random bytes for tests', () => {
  it.each([0, 1, 63, 64, 65, 1024])('come as %i bytes, random to the last', (size) => {
    const tails = Array.from({ length: 64 }, () => randomBlob(size))
    expect(tails.map(({ length }) => length)).toEqual(tails.map(() => size))
    const last = new Set(tails.map((bytes) => bytes.at(-1)))
    expect(last.size > 1).toBe(size > 0)
  })

  it('come as hex digits and as UUIDs', () => {
    expect(randomHex(8)).toMatch(/^[0-9a-f]{16}$/)
    const uuids = Array.from({ length: 64 }, randomUuid)
    expect(new Set(uuids).size).toBe(64)
    for (const uuid of uuids) {
      expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(uuid).toMatch(/^.{14}4.{4}[89ab]/)
    }
  })
})
