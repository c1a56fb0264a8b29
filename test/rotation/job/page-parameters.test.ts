import { describe, expect, it } from 'vitest'
import {
  type PageParameter,
  type ParameterRow,
  pageParameters,
} from '../../../src/rotation/job/page-parameters'
import { useTables } from '../tables'

const tables = useTables()

async function readBack(
  parameters: readonly PageParameter[],
  rows: readonly ParameterRow[],
): Promise<unknown[][]> {
  const { sql, values } = pageParameters(1, parameters)
  const query = { text: sql, values: values(rows), rowMode: 'array' as const }
  return (await tables.pool.query<unknown[]>(query)).rows
}

describe('the parameters of a page', () => {
  it('arrive as they were given: keys, texts, bytes of any length, and NULLs', async () => {
    const rows = [
      ['1', 'a', Buffer.from('ab'), null],
      ['{2,"}', null, Buffer.alloc(0), Buffer.of(0, 255)],
      ['3', '\\x61', null, Buffer.alloc(70_000, 0xe1)],
      ['4', '', Uint8Array.of(1, 2, 3, 4).subarray(1, 3), null],
    ] as const
    const parameters = [
      { name: 't', type: 'text' },
      { name: 'a', type: 'bytea' },
      { name: 'b', type: 'bytea' },
    ]
    const given = rows.map(([key, ...values]) => ({ key: [key], parameters: values }))
    const expected = rows.map((row) =>
      row.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value)),
    )
    expect(await readBack(parameters, given)).toEqual(expected)
  })

  it('travel once where one object is the value of several columns of a row', async () => {
    const shared = Buffer.alloc(1000, 7)
    const parameters = ['a', 'b', 'c'].map((name) => ({ name, type: 'bytea' }))
    const rows = [
      { key: ['1'], parameters: [shared, Buffer.from('other'), shared] },
      { key: ['2'], parameters: [null, null, shared] },
    ]
    const packed = pageParameters(1, parameters).values(rows).at(-1) as Buffer
    expect(packed.length).toBe(2005)
    expect(await readBack(parameters, rows)).toEqual([
      ['1', shared, Buffer.from('other'), shared],
      ['2', null, null, shared],
    ])
  })

  it('are cast to their type, and need no bytes', async () => {
    const rows = [{ key: ['1'], parameters: ['2024-02-29'] }]
    const [[key, date] = []] = await readBack([{ name: 'd', type: 'date' }], rows)
    expect([key, (date as Date).getDate()]).toEqual(['1', 29])
  })

  it('may be of NULLs alone', async () => {
    const rows = [{ key: ['1'], parameters: [null] }]
    expect(await readBack([{ name: 'a', type: 'bytea' }], rows)).toEqual([['1', null]])
  })
})
