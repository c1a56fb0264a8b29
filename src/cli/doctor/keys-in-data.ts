import { type CensusRow, census, INDEX_RECORDS } from '../../rotation/census'
import { counted } from '../text-table'
import { type Found, ok, problem, skipped, warning } from './finding'
import type { Setup } from './setup'

const DOMAIN =
  "check the keyring's domain, and that its store is the one that the data was made with"

/**
 * Every stored value and token was made with a key that is there and may be used. Counts them in all
 * tables, and therefore only when asked to.
 */
export async function checkKeysInData({ dataSource, options }: Setup): Promise<Found[]> {
  if (!options.deep) {
    const finding = 'counting values by key reads all tables'
    return [skipped('keys in the data', finding, 'npx mortise doctor --data-source FILE --deep')]
  }
  const rows = (await census(dataSource)).filter(({ subject }) => !subject)
  const findings = rows.flatMap(judge)
  if (findings.length > 0) return findings
  return [
    ok('keys in the data', 'every value is under an active key, every token under a usable one'),
  ]
}

function judge(row: CensusRow): Found[] {
  const { field, table, column, keyId, state, count, generation } = row
  const place = `${field} (${table}.${column})`
  if (keyId === null) {
    return generation === null
      ? [problem(place, `${counted(count, 'value')} without envelope`, null)]
      : [unknownTokens(place, count, generation)]
  }
  const uses = `${counted(count, generation === null ? 'value' : 'token')} under key ${keyId}`
  if (state === null) return [problem(place, `${uses}, which the key store does not have`, DOMAIN)]
  if (state === 'decrypt-only') return isOfIndex(row) ? [] : [rotatedAway(place, uses)]
  if (state === 'active') return []
  const fix = state === 'disabled' ? `npx mortise enable ${keyId} --data-source FILE` : null
  const outcome = isOfIndex(row) ? 'what they index is not found' : 'they do not open'
  return [problem(place, `${uses}, which is ${state}: ${outcome}`, fix)]
}

/** An index goes on with the key that it began with, whichever is active. */
function isOfIndex({ table, generation }: CensusRow): boolean {
  return generation !== null || table === INDEX_RECORDS.table
}

function unknownTokens(place: string, count: number, generation: number): Found {
  const finding = `${counted(count, 'token')} of generation ${generation}, which no index has`
  return problem(place, `${finding}: queries miss the rows`, DOMAIN)
}

function rotatedAway(place: string, uses: string): Found {
  const fix = 'npx mortise rewrap --data-source FILE'
  return warning(place, `${uses}, which was rotated away`, fix)
}
