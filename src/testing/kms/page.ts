import { KmsError } from './kms-error'
import { optionalInteger, optionalText, type Parameters } from './parameters'

/**
 * One page of a listing.
 *
 * @param member - the name of the list in the answer
 * @param defaultLimit - what AWS gives where the request has no Limit
 * @throws InvalidMarkerException
 */
export function page(
  input: Parameters,
  member: string,
  items: readonly object[],
  defaultLimit: number,
): object {
  const limit = optionalInteger(input, 'Limit', 1, 1000) ?? defaultLimit
  const start = offsetOf(optionalText(input, 'Marker'))
  const end = start + limit
  const shown = items.slice(start, end)
  if (end >= items.length) return { [member]: shown, Truncated: false }
  return { [member]: shown, Truncated: true, NextMarker: Buffer.from(`${end}`).toString('base64') }
}

function offsetOf(marker: string | null): number {
  if (marker === null) return 0
  const text = Buffer.from(marker, 'base64').toString()
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new KmsError('InvalidMarkerException', 'Could not deserialize marker')
}
