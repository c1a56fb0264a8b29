import { writesPlain } from '../../adoption/adoption-state'
import type { EncryptedTable } from '../../schema'
import { type Found, ok, problem, warning } from './finding'
import type { Setup } from './setup'

const SUBJECT = 'statement log of the server'
const SETTINGS = [
  ...['log_statement', 'log_min_duration_statement', 'log_min_duration_sample'],
  ...['log_statement_sample_rate', 'log_transaction_sample_rate', 'log_parameter_max_length'],
  ...['log_parameter_max_length_on_error', 'auto_explain.log_min_duration'],
]

/** Settings by name, in their base unit; what the server does not have is missing. */
type Settings = Readonly<Record<string, string | undefined>>

/**
 * The server does not write parameters of statements to its log. Those of mortise hold envelopes,
 * tokens and buckets, never a value: a log with parameters tells what a copy of the database tells, and
 * keeps telling it after values were changed or erased.
 *
 * `pg_stat_statements` and `pg_stat_activity` keep the text of statements, in which mortise puts no
 * value: they are not looked at. A column that is being adopted is written in clear as well.
 */
export async function checkStatementLog({ query, tables }: Setup): Promise<Found[]> {
  const sql = 'SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY ($1::text[])'
  const rows = await query(sql, [SETTINGS])
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting])) as Settings
  const reasons = recording(settings)
  if (reasons.length === 0) return [ok(SUBJECT, 'holds no parameters of statements')]
  const by = reasons.map(({ setting }) => setting).join(', ')
  const fix = reasons.map((reason) => reason.fix).join('\n')
  const adopted = writtenInClear(tables)
  if (adopted.length > 0) {
    const finding = `holds parameters of statements (${by}), and with them, while they are adopted,`
    return [problem(SUBJECT, `${finding} the values of ${adopted.join(', ')} in clear`, fix)]
  }
  const revealing = revealed(tables)
  if (revealing === null) {
    return [ok(SUBJECT, `holds parameters (${by}): of encrypted properties, envelopes alone`)]
  }
  const finding =
    `holds parameters of statements (${by}): of encrypted properties no value, but envelopes and ` +
    `${revealing}; they stay in the log after values were changed or their subject was shredded`
  return [warning(SUBJECT, finding, fix)]
}

/** What writes parameters to the log, and how to end it. */
function recording(settings: Settings): { setting: string; fix: string }[] {
  const number = (name: string): number => Number(settings[name] ?? -1)
  const rate = (name: string): boolean => Number(settings[name] ?? 0) > 0
  const statements =
    ['all', 'mod'].includes(settings.log_statement ?? '') ||
    number('log_min_duration_statement') >= 0 ||
    (number('log_min_duration_sample') >= 0 && rate('log_statement_sample_rate')) ||
    rate('log_transaction_sample_rate')
  return [
    ...(statements && number('log_parameter_max_length') !== 0
      ? [off('log_parameter_max_length', '0')]
      : []),
    ...(Number(settings.log_parameter_max_length_on_error ?? 0) !== 0
      ? [off('log_parameter_max_length_on_error', '0')]
      : []),
    // Plans that are made for one execution show its parameters, whatever the lengths are.
    ...(number('auto_explain.log_min_duration') >= 0
      ? [off('auto_explain.log_min_duration', '-1')]
      : []),
  ]
}

function off(setting: string, value: string): { setting: string; fix: string } {
  return { setting, fix: `ALTER SYSTEM SET ${setting} = '${value}'; SELECT pg_reload_conf();` }
}

/** Properties whose former column is written along. */
function writtenInClear(tables: readonly EncryptedTable[]): string[] {
  const columns = tables.flatMap((table) => table.columns)
  return columns
    .filter(({ adopted }) => adopted !== null && writesPlain(adopted.state))
    .map(({ field }) => field)
}

/** The index columns whose content travels as parameters; null where there are none. */
function revealed(tables: readonly EncryptedTable[]): string | null {
  const columns = tables.flatMap((table) => table.columns)
  const of = (what: string, fields: readonly string[]): string[] =>
    fields.length > 0 ? [`${what} of ${fields.join(', ')}`] : []
  const parts = [
    ...of(
      'tokens',
      columns.filter(({ exactColumn }) => exactColumn).map(({ field }) => field),
    ),
    ...of(
      'buckets in clear',
      columns.filter(({ rangeColumn }) => rangeColumn).map(({ field }) => field),
    ),
  ]
  return parts.length > 0 ? parts.join(' and ') : null
}
