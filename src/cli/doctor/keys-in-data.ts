import { type CensusRow, census } from '../../rotation/census'
import { counted } from '../text-table'
import { type Found, ok, problem, skipped, warning } from './finding'
import type { Setup } from './setup'

/**
 * Every stored value names a key that is there and may be used. Counts the values of all tables, and
 * therefore only when asked to.
 */
export async function checkKeysInData({ dataSource, options }: Setup): Promise<Found[]> {
  if (!options.deep) {
    const finding = 'counting values by key reads all tables'
    return [skipped('keys in the data', finding, 'npx mortise doctor --data-source FILE --deep')]
  }
  const rows = await census(dataSource)
  const findings = rows.filter(({ subject }) => !subject).flatMap(judge)
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  return findings.length > 0
    ? findings
    : [ok('keys in the data', `all of ${counted(total, 'value')} are under active keys`)]
}

function judge({ field, table, column, keyId, state, count }: CensusRow): Found[] {
  const place = `${field} (${table}.${column})`
  if (keyId === null) return [problem(place, `${counted(count, 'value')} without envelope`, null)]
  const values = `${counted(count, 'value')} under key ${keyId}`
  if (state === 'active') return []
  if (state === null) {
    const fix = "check the keyring's domain, and that its store is the one they were sealed with"
    return [problem(place, `${values}, which the key store does not have`, fix)]
  }
  if (state === 'decrypt-only') {
    const fix = 'npx mortise rewrap --data-source FILE'
    return [warning(place, `${values}, which was rotated away`, fix)]
  }
  const fix = state === 'disabled' ? `npx mortise enable ${keyId} --data-source FILE` : null
  return [problem(place, `${values}, which is ${state}: they do not open`, fix)]
}
