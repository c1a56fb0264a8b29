import { DataSource } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Setup } from '../../../src/cli/doctor/setup'
import { checkStatementLog } from '../../../src/cli/doctor/statement-log'
import { createDatabase, type TestDatabase } from '../../database'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database?.drop())

const TABLES = [
  {
    columns: [
      { field: 'Patient.email', exactColumn: 'email_hmac', rangeColumn: null, adopted: null },
      { field: 'Patient.age', exactColumn: null, rangeColumn: 'age_lofi', adopted: null },
      { field: 'Patient.chart', exactColumn: null, rangeColumn: null, adopted: null },
    ],
  },
] as unknown as Setup['tables']

/** The settings of one session stand for those of a server. */
async function look(settings: readonly string[], tables = TABLES) {
  const options = settings.map((setting) => `-c ${setting}`).join(' ')
  const source = new DataSource({ type: 'postgres', url: database.url, extra: { options } })
  await source.initialize()
  const query: Setup['query'] = (sql, parameters) => source.query(sql, [...parameters])
  try {
    const [finding] = await checkStatementLog({ query, tables } as Setup)
    return finding
  } finally {
    await source.destroy()
  }
}

describe('the statement log', () => {
  it.each([
    ['as it comes', []],
    ['of definitions', ['log_statement=ddl']],
    ['of durations alone', ['log_duration=on']],
    ['without parameters', ['log_statement=all', 'log_parameter_max_length=0']],
    ['sampled at no rate', ['log_min_duration_sample=0', 'log_statement_sample_rate=0']],
  ])('is well %s', async (_what, settings) => {
    expect(await look(settings)).toMatchObject({
      status: 'ok',
      finding: 'holds no parameters of statements',
    })
  })

  it.each([
    ['log_statement=all', 'log_parameter_max_length'],
    ['log_statement=mod', 'log_parameter_max_length'],
    ['log_min_duration_statement=1s', 'log_parameter_max_length'],
    ['log_min_duration_sample=0', 'log_parameter_max_length'],
    ['log_transaction_sample_rate=0.1', 'log_parameter_max_length'],
    ['log_parameter_max_length_on_error=-1', 'log_parameter_max_length_on_error'],
    [
      'session_preload_libraries=auto_explain -c auto_explain.log_min_duration=3s',
      'auto_explain.log_min_duration',
    ],
  ])('holds parameters with %s', async (setting, named) => {
    const finding = await look([setting])
    expect(finding).toMatchObject({ status: 'warning' })
    expect(finding?.finding).toContain(`(${named})`)
    expect(finding?.finding).toContain(
      'no value, but envelopes and tokens of Patient.email and buckets in clear of Patient.age;',
    )
    expect(finding?.fix).toContain(`ALTER SYSTEM SET ${named} = `)
  })

  it.each(['dual', 'verified', 'sealed'])(
    'holds values in clear in the state %s, or not',
    async (state) => {
      const columns = [{ ...TABLES[0]?.columns[0], adopted: { state } }]
      const finding = await look(['log_statement=all'], [{ columns }] as unknown as Setup['tables'])
      expect(finding?.status).toBe(state === 'sealed' ? 'warning' : 'problem')
      expect(finding?.finding.includes('the values of Patient.email in clear')).toBe(
        state !== 'sealed',
      )
    },
  )

  it('may hold envelopes alone', async () => {
    const tables = [{ columns: [TABLES[0]?.columns[2]] }] as unknown as Setup['tables']
    expect(await look(['log_statement=all'], tables)).toMatchObject({
      status: 'ok',
      finding: expect.stringContaining('envelopes alone'),
    })
  })
})
