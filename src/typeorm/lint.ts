import { type EncryptedColumn, encryptedColumnsOf } from './encrypted-column'
import { type Alias, internalsOf } from './internals'
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
    if (!alias.hasMetadata) continue
    for (const column of encryptedColumnsOf(alias.metadata)) {
      if (refersTo(text, alias, column)) {
        throw refuseQuery(
          column.field,
          'SQL text would compare its ciphertext; use find options, or an object in where()',
        )
      }
    }
  }
}

function refersTo(text: string, alias: Alias, { main }: EncryptedColumn): boolean {
  const names = [...new Set([main.propertyPath, main.databaseName])].map(escapeRegExp).join('|')
  const owner = escapeRegExp(alias.name)
  const reference = new RegExp(
    `(?:(?<![\\w."])"?${owner}"?\\.|(?<![\\w.":$]))"?(?:${names})(?![\\w])`,
    'gi',
  )
  for (const match of text.matchAll(reference)) {
    if (!NULL_TEST.test(text.slice(match.index + match[0].length))) return true
  }
  return false
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
