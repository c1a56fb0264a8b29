import { checksumOf } from './checksum'

/** A record as it is handed to the store. */
export interface HistoryText {
  /** Unique in its domain: a record that is added twice is there once. At most 255 characters. */
  readonly id: string
  /** What it says: text that the store gives back letter by letter. */
  readonly record: string
}

/** A record in its place in the history of a domain. */
export interface HistoryLink extends HistoryText {
  /** Counts from 1 without a gap. */
  readonly sequence: number
  /** SHA-256 in hex over this record, its place, and the checksum of the record before it. */
  readonly checksum: string
}

/** The newest record of a history, to be kept elsewhere: it stands for all before it. */
export type HistoryHead = Pick<HistoryLink, 'sequence' | 'checksum'>

/** What the first record is chained to. */
export const BEFORE_HISTORY: HistoryHead = { sequence: 0, checksum: '0'.repeat(64) }

const FORMAT = 'mortise/history/1'

/** The record that follows a head. */
export function nextLink(
  domain: string,
  { sequence: last, checksum: previous }: HistoryHead,
  { id, record }: HistoryText,
): HistoryLink {
  const sequence = last + 1
  const checksum = linkChecksum(domain, previous, { sequence, id, record })
  return { sequence, id, record, checksum }
}

/** The checksum that a record has where it follows the record with the checksum `previous`. */
export function linkChecksum(
  domain: string,
  previous: string,
  { sequence, id, record }: Omit<HistoryLink, 'checksum'>,
): string {
  return checksumOf([FORMAT, domain, previous, sequence, id, record])
}
