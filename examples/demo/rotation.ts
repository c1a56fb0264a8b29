import { type CensusRow, census, rewrap, rotateKek } from 'mortise/rotation'
import { samePeople } from './checks'
import type { Application } from './open-database'
import { Person } from './person'
import type { Report } from './report'

/** A new KEK, and every row moved to it without decrypting a value. */
export async function showRotation(
  { dataSource, keyring }: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  report.scene(
    'A new KEK, and every row moved to it without decrypting a value',
    'An envelope holds its data key, wrapped by a KEK. Rewrapping exchanges key id and wrap, 48 ' +
      'bytes; the ciphertext behind them stays as it is, and so do the index columns.',
  )
  const [untouched] = await dataSource.query(UNTOUCHED)
  showCensus(report, 'before', await census(dataSource))
  const { keyId, version } = await rotateKek(keyring, { purpose: 'data' })
  const { rewrapped, failedCount } = await rewrap(dataSource, {
    batchSize: 50,
    onProgress: ({ table, done, total }) => report.progress(`rewrap ${table}`, done, total),
  })
  const after = await census(dataSource)
  showCensus(report, 'after', after)
  report.check(
    'every envelope is under the new KEK',
    after.every((row) => row.keyId === keyId) && failedCount === 0,
    `version ${version}, ${rewrapped} values rewrapped, ${failedCount} failed`,
  )
  const [unchanged] = await dataSource.query(UNTOUCHED)
  report.check(
    'ciphertexts and index columns are the same bytes as before',
    unchanged.digest === untouched.digest,
    `digest over all rows: ${unchanged.digest}`,
  )
  const found = await dataSource.getRepository(Person).find()
  report.check(
    'every person still reads as the plaintext says',
    samePeople(found, people, { ordered: false }),
    `${found.length} rows`,
  )
}

/** All that a rewrap must leave alone; the 50 bytes before are version, flags, key id and wrap. */
const UNTOUCHED = `
  SELECT md5(string_agg(concat_ws('|', id, email_hmac, surname_hmac, surname_lofi, income_lofi,
    substring(email from 51), substring(surname from 51), substring(income from 51),
    substring(record from 51)), ',' ORDER BY id)) AS digest
  FROM person`

function showCensus(report: Report, when: string, rows: readonly CensusRow[]): void {
  report.table(
    [`${when}: column`, 'KEK', 'version', 'state', 'values'],
    rows.map((row) => [
      row.column,
      `${row.keyId}`,
      `${row.keyVersion}`,
      `${row.state}`,
      `${row.count}`,
    ]),
  )
}
