import { census, type JobProgress, rewrap, rotateKek } from 'mortise/rotation'
import { samePeople } from './checks'
import type { Application } from './open-database'
import { Person } from './person'
import type { Report } from './report'

/** A new KEK, and every row moved to it without decrypting a value. */
export async function showRotation(
  application: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  report.scene(
    'A new KEK, and every row moved to it without decrypting a value',
    'An envelope holds its data key, wrapped by a KEK. Rewrapping exchanges key id and wrap, 48 ' +
      'bytes; the ciphertext behind them stays as it is, and so do the index columns.',
  )
  const { dataSource, keyring } = application
  const [untouched] = await dataSource.query(UNTOUCHED)
  await showValuesPerKek(application, 'before', report)
  const { keyId, version } = await rotateKek(keyring, { purpose: 'data' })
  await showValuesPerKek(application, 'rotated', report)
  const onProgress = ({ done, total }: JobProgress): void => report.progress('rewrap', done, total)
  const { done: rewrapped, failedCount } = await rewrap(dataSource, { batchSize: 50, onProgress })
  await showValuesPerKek(application, 'rewrapped', report)
  const envelopes = (await census(dataSource)).filter(({ format }) => format !== null)
  report.check(
    'every envelope is under the new KEK',
    envelopes.every((row) => row.keyId === keyId) && failedCount === 0,
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

const ENVELOPES = [
  ...['"givenName"', 'surname', 'email', 'income', '"birthDate"', 'latitude'],
  ...['longitude', 'record'],
]
const INDEXES = [
  ...['surname_hmac', 'surname_lofi', 'email_hmac', 'income_lofi', '"birthDate_hmac"'],
  ...['"birthDate_lofi"', 'latitude_lofi', 'longitude_lofi'],
]
/** All that a rewrap must leave alone; an envelope's first 50 bytes end with the wrapped data key. */
const UNTOUCHED = `
  SELECT md5(string_agg(ROW(id, ward, ${INDEXES},
    ${ENVELOPES.map((column) => `substring(${column} from 51)`)})::text, ',' ORDER BY id)) AS digest
  FROM person`

async function showValuesPerKek(
  { dataSource, keyring }: Application,
  when: string,
  report: Report,
): Promise<void> {
  const rows = await census(dataSource)
  const keks = (await keyring.keys()).filter(({ purpose }) => purpose === 'data')
  const values = (id: string): number =>
    rows.filter(({ keyId }) => keyId === id).reduce((sum, { count }) => sum + count, 0)
  report.table(
    [when.padEnd(9), 'KEK', 'version', 'state', 'values'],
    keks.map(({ id, version, state }) => ['', id, `${version}`, state, `${values(id)}`]),
  )
}
