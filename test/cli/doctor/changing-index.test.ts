import { describe, expect, it } from 'vitest'
import type { Catalogue } from '../../../src/cli/doctor/catalogue'
import { checkHiddenColumns } from '../../../src/cli/doctor/hidden-columns'
import type { Setup } from '../../../src/cli/doctor/setup'

const COLUMNS = ['email', 'email_hmac', 'email_hmac_next', 'email_lofi']

/** What is asked about the rows of a table, by its text. */
async function questions(change: object | null): Promise<string> {
  const asked: string[] = []
  const column = { column: 'email', field: 'Patient.email', form: 'bytea', subject: null, change }
  const table = { schema: null, name: 'patient', primaryKey: ['id'] }
  const columns = COLUMNS.map((name) => ({ name, type: 'bytea', nullable: true }))
  const setup = {
    tables: [{ ...table, columns: [{ ...column, indexColumns: COLUMNS.slice(1) }] }],
    unreadable: 0,
    catalogue: (() => ({ columns, indexes: [], constraints: [] })) satisfies Catalogue,
    query: async (sql: string) => {
      asked.push(sql)
      return []
    },
  }
  expect(await checkHiddenColumns(setup as unknown as Setup)).toMatchObject([{ status: 'ok' }])
  return asked.join()
}

describe('columns of an index that reindex is making', () => {
  const missing = (name: string) => `r."email" IS NOT NULL AND r."${name}" IS NULL`
  const left = (name: string) => `r."${name}" IS NOT NULL AND r."email" IS NULL`

  it('may be empty, and never be filled without a value', async () => {
    const change = {
      exact: { own: 'email_hmac', beside: 'email_hmac_next' },
      range: { own: 'email_lofi', beside: null },
    }
    const sql = await questions(change)
    expect(sql).toContain(missing('email_hmac'))
    expect(sql).not.toContain(missing('email_hmac_next'))
    expect(sql).not.toContain(missing('email_lofi'))
    for (const name of COLUMNS.slice(1)) expect(sql).toContain(left(name))
  })

  it('are like all others once it has ended', async () => {
    const sql = await questions(null)
    for (const name of COLUMNS.slice(1)) expect(sql).toContain(missing(name))
  })
})
