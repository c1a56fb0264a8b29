// The rows of the part `page`: five texts of 5 to 36 characters.
import { createHash } from 'node:crypto'

export const COLUMNS = ['name', 'city', 'email', 'surname', 'reference']
/** Those with an index: an exact one, and one by the first two letters. */
export const EXACT = 'email'
export const RANGE = 'surname'
const CHUNK = 1000

const lettersFrom = (hash, length) =>
  Array.from(hash.subarray(0, length), (byte) => String.fromCharCode(97 + (byte % 26))).join('')

/** The texts of the `id`-th row; the same in every process, and alike in no two rows. */
export function textsOf(id) {
  const hash = createHash('sha256').update(`row ${id}`).digest()
  const hex = hash.toString('hex')
  return {
    name: lettersFrom(hash, 5 + (hash[30] % 8)),
    city: lettersFrom(hash.subarray(8), 6 + (hash[31] % 9)),
    email: `${lettersFrom(hash, 3 + (hash[29] % 8))}.${id}@example.com`,
    surname: lettersFrom(hash.subarray(16), 6 + (hash[28] % 8)),
    reference: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5'),
  }
}

/** What a row's city is changed to. */
export const changedCity = (id, round) => `changed ${round} ${id}`

/** The rows from `first` on, in chunks of one statement each. */
export function* chunksOf(rows, rowAt) {
  for (let first = 1; first <= rows; first += CHUNK) {
    yield Array.from({ length: Math.min(CHUNK, rows - first + 1) }, (_, i) => rowAt(first + i))
  }
}
