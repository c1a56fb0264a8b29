import type { StoreContent } from './content'
import { BEFORE_HISTORY, type HistoryLink, type HistoryText, nextLink } from './history'

/** See `KeyStore.appendHistory`. */
export function appendHistory(
  content: StoreContent,
  domain: string,
  text: HistoryText,
): { content: StoreContent; link: HistoryLink } {
  const links = linksOf(content, domain)
  const known = links.find(({ id }) => id === text.id)
  if (known !== undefined) return { content, link: known }
  const link = nextLink(domain, links.at(-1) ?? BEFORE_HISTORY, text)
  return { content: { ...content, history: [...content.history, { ...link, domain }] }, link }
}

/** See `KeyStore.loadHistory`. */
export function pageHistory(
  content: StoreContent,
  domain: string,
  { after, limit }: { readonly after: number; readonly limit: number },
): HistoryLink[] {
  return linksOf(content, domain)
    .filter(({ sequence }) => sequence > after)
    .slice(0, limit)
}

/** In the order of their numbers, whatever order a file has them in. */
function linksOf({ history }: StoreContent, domain: string): HistoryLink[] {
  return history
    .filter((one) => one.domain === domain)
    .map(({ sequence, id, record, checksum }) => ({ sequence, id, record, checksum }))
    .sort((a, b) => a.sequence - b.sequence)
}
