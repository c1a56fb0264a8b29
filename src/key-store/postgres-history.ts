import type { QualifyTable } from './create-tables'
import { BEFORE_HISTORY, type HistoryLink, type HistoryText, nextLink } from './history'
import { historyLinkFromJson } from './history-json'
import { jsonList } from './json-members'
import type { Query } from './store'

const ORIGIN = 'the key store in PostgreSQL'

/** The statements about the history of a domain; each but the last gives one row: links (JSON text). */
export interface HistoryStatements {
  /** (domain, record id) -> the record of that id, if there is one. */
  readonly byId: string
  /** (domain) -> the newest record. */
  readonly last: string
  /** (domain, after, limit) -> records. */
  readonly page: string
  /** (domain, sequence, record id, record, checksum). */
  readonly insert: string
}

/** See `keyStoreStatements` for why every result is JSON text. */
export function historyStatements(qualify: QualifyTable): HistoryStatements {
  const history = qualify('mortise_history')
  const links = (rows: string): string => `SELECT (SELECT coalesce(json_agg(json_build_object(
      'sequence', h.sequence, 'id', h.record_id, 'record', h.record, 'checksum', h.checksum
    ) ORDER BY h.sequence), '[]') FROM (SELECT * FROM ${history} WHERE domain = $1 ${rows}) h
    )::text AS links`
  return {
    byId: links('AND record_id = $2'),
    last: links('ORDER BY sequence DESC LIMIT 1'),
    page: links('AND sequence > $2::integer ORDER BY sequence LIMIT $3::integer'),
    insert: `INSERT INTO ${history} (domain, sequence, record_id, record, checksum)
      VALUES ($1, $2, $3, $4, $5)`,
  }
}

/** Within a transaction that holds the lock of the domain. */
export async function appendHistory(
  query: Query,
  sql: HistoryStatements,
  domain: string,
  text: HistoryText,
): Promise<HistoryLink> {
  const [known] = await linksOf(query, sql.byId, [domain, text.id])
  if (known !== undefined) return known
  const [last = BEFORE_HISTORY] = await linksOf(query, sql.last, [domain])
  const link = nextLink(domain, last, text)
  await query(sql.insert, [domain, link.sequence, link.id, link.record, link.checksum])
  return link
}

/** See `KeyStore.loadHistory`. */
export async function loadHistory(
  query: Query,
  sql: HistoryStatements,
  domain: string,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<HistoryLink[]> {
  return linksOf(query, sql.page, [domain, after, limit])
}

async function linksOf(
  query: Query,
  sql: string,
  parameters: readonly unknown[],
): Promise<HistoryLink[]> {
  const [row] = await query(sql, parameters)
  return jsonList(row?.links, 'links', 1_000_000, ORIGIN).map(historyLinkFromJson)
}
