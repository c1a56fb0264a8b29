import { type EncryptedColumn, encryptedColumnsOf } from './encrypted-column'
import { type Alias, dataSourceOf, internalsOf } from './internals'
import { refuseQuery } from './predicate'

/** The one comparison of ciphertext that means what it says. */
const NULL_TEST = /^"?\s+IS\s+(NOT\s+)?NULL\b/i
const STRING_LITERAL = /'(?:[^']|'')*'/g

/**
 * Refuses SQL text that names an encrypted column: it would compare, sort or add up ciphertext and
 * answer nothing, without an error.
 *
 * Best effort on text, and cautious: a name that only looks like the column is refused as well.
 *
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function checkFragment(builder: object, sql: string): void {
  const text = sql.replace(STRING_LITERAL, "''")
  for (const alias of internalsOf(builder).expressionMap.aliases) {
    for (const column of columnsBehind(builder, alias)) {
      if (refersTo(text, alias, column)) {
        throw refuseQuery(
          column.field,
          'SQL text would compare its ciphertext; use find options, or an object in where()',
        )
      }
    }
  }
}

/** Whether a name without an entity stands for a subquery or a common table expression. */
export function isQuery(builder: object, { hasMetadata, subQuery }: Alias): boolean {
  const { commonTableExpressions } = internalsOf(builder).expressionMap
  return !hasMetadata && (subQuery !== undefined || commonTableExpressions.length > 0)
}

/** Such a query may pass on any encrypted column of the DataSource, under its own or a raw name. */
function columnsBehind(builder: object, alias: Alias): readonly EncryptedColumn[] {
  if (alias.hasMetadata) return encryptedColumnsOf(alias.metadata)
  return isQuery(builder, alias)
    ? dataSourceOf(builder).entityMetadatas.flatMap(encryptedColumnsOf)
    : []
}

/**
 * By property or column name, bare, qualified by alias or by table, which UPDATE and DELETE may name,
 * and by the raw name `alias_column` of a selection.
 */
function refersTo(text: string, alias: Alias, { main }: EncryptedColumn): boolean {
  const owner = escapeRegExp(alias.name)
  const names = [...new Set([main.propertyPath, main.databaseName])].map(escapeRegExp).join('|')
  const raw = alias.hasMetadata ? '' : '(?:\\w+_)?'
  const qualified = `(?<![\\w."])"?${owner}"?\\."?${raw}`
  const bare = alias.hasMetadata ? `(?<![\\w.":$])"?(?:${owner}_)?` : `(?<![\\w.":$])"?(?:\\w+_)`
  const table = `(?<!\\w)"?${escapeRegExp(main.entityMetadata.tableName)}"?\\."?`
  const reference = new RegExp(`(?:${qualified}|${table}|${bare})(?:${names})(?![\\w])`, 'gi')
  for (const match of text.matchAll(reference)) {
    if (!NULL_TEST.test(text.slice(match.index + match[0].length))) return true
  }
  return false
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
