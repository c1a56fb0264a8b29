import type { DataSource, EntityMetadata } from 'typeorm'
import { MortiseError } from '../errors'
import { encryptedColumnOf } from './encrypted-column'
import type { Output } from './sql/block'
import { encryptedTablesOf } from './sql/encrypted-tables'
import { shownColumns } from './sql/references'
import { asksByToken } from './sql/rewrite-statement'
import { tokenize } from './sql/tokens'

/**
 * Refuses views that would show an envelope as a value, or that compare envelopes: the SQL of a view is
 * sent as it is.
 *
 * @throws ERR_FIELD_INVALID naming the view's property and the fix
 * @throws ERR_QUERY_UNSUPPORTED naming the property that a view's SQL compares
 */
export function checkViews(dataSource: DataSource): void {
  const tables = encryptedTablesOf(dataSource)
  for (const metadata of dataSource.entityMetadatas) {
    const sql = sqlOf(metadata, dataSource)
    if (sql === undefined || !tables.mentionedIn(sql)) continue
    if (asksByToken(tables, sql)) {
      throw invalid(
        metadata.targetName,
        'compares an encrypted column in its SQL, which nothing rewrites; compare its hidden column ' +
          'there, or leave the condition to the queries',
      )
    }
    const shown = shownColumns(tokenize(sql), tables)
    for (const output of shown) {
      const own = propertyOf(metadata, output, shown)
      if (!output.column || !own || encryptedColumnOf(own)) continue
      const { field } = output.column
      throw invalid(
        `${metadata.targetName}.${own.propertyPath}`,
        `would show the envelopes of ${field.name}; declare it with @Encrypted as there, with ` +
          `fieldId: '${field.fieldId}', and select the hidden columns too`,
      )
    }
  }
}

/** The property that shows a place: the one of its name, or one of no known name, for an alias without AS. */
function propertyOf({ columns }: EntityMetadata, output: Output, shown: readonly Output[]) {
  const own = columns.find(({ databaseName }) => databaseName === output.name)
  if (own || output.name === undefined || output.path.at(-1) !== output.name) return own
  const names = new Set(shown.map(({ name }) => name))
  return columns.find(({ databaseName }) => !names.has(databaseName))
}

function sqlOf({ tableType, expression }: EntityMetadata, dataSource: DataSource) {
  if (tableType !== 'view') return undefined
  return typeof expression === 'function' ? expression(dataSource).getQuery() : expression
}

function invalid(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_FIELD_INVALID', `${field} ${problem}`, { field })
}
