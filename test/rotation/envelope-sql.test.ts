import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromText, toText } from '../../src/envelope/format'
import { envelopeSql } from '../../src/rotation/envelope-sql'
import { useTables } from './tables'

const tables = useTables()
const text = envelopeSql('v', 'text')

async function evaluate(expressions: string[], value: string | null): Promise<unknown[]> {
  const { rows } = await tables.pool.query({
    text: `SELECT ${expressions.join(', ')} FROM (SELECT $1::text AS v) AS one`,
    values: [value],
    rowMode: 'array',
  })
  return rows[0] as unknown as unknown[]
}

/** Whether format.ts takes the text for bytes. */
function accepts(value: string): boolean {
  try {
    return fromText(value).length > 0
  } catch {
    return false
  }
}

const LENGTHS = [...Array.from({ length: 30 }, (_, i) => 12 + i), 98, 99, 100, 5_000, 100_001]

describe('the SQL of a text column', () => {
  it.each(LENGTHS)('decodes and encodes %i bytes as format.ts does', async (length) => {
    const bytes = randomBytes(length)
    const stored = text.stored(text.bytes)
    const row = await evaluate([text.bytes, text.prefix, text.length, stored], toText(bytes))
    expect(row).toEqual([bytes, bytes.subarray(0, 12), length, toText(bytes)])
  })

  it('keeps NULL', async () => {
    expect(await evaluate([text.bytes, text.prefix], null)).toEqual([null, null])
  })

  it.each([
    '',
    'Ada Lovelace',
    'mrt1.',
    'mrt1.====',
    `mrt1.${'A'.repeat(15)}+`,
    `mrt2.${'A'.repeat(40)}`,
    `Mrt1.${'A'.repeat(40)}`,
    `mrt1.${'A'.repeat(41)}`,
    `mrt1.${'A'.repeat(40)}\n`,
    `mrt1.${'A'.repeat(38)}==`,
    `mrt1.${'A'.repeat(37)}\u00e4AA`,
  ])('takes %j for no envelope, as format.ts does', async (value) => {
    expect(accepts(value)).toBe(false)
    const [bytes] = await evaluate([text.bytes], value)
    expect(bytes).toEqual(Buffer.alloc(0))
  })

  it('accepts the one spelling of the last digit, like format.ts', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (const begin of ['A'.repeat(17), 'A'.repeat(18)]) {
      for (const last of alphabet) {
        const value = `mrt1.${begin}${last}`
        const [bytes] = await evaluate([text.bytes], value)
        expect((bytes as Buffer).length > 0, value).toBe(accepts(value))
      }
    }
  })

  it('gives no prefix of what begins otherwise', async () => {
    for (const value of ['Ada', `x${toText(randomBytes(60))}`, 'mrt1.AAAA+AAAAAAAAAAAAA']) {
      expect(await evaluate([text.prefix], value)).toEqual([Buffer.alloc(0)])
    }
  })
})
