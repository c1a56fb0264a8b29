// The rows that jobs and plain statements write to: columns `c1`… of about 40 bytes of text each, and a
// plain one.
import { EntitySchema } from 'typeorm'

/** Rows of a page of a job. */
export const PAGE = 1000

export const columnNames = (columns) => Array.from({ length: columns }, (_, i) => `c${i + 1}`)

export const textOf = (id, name) =>
  `value ${name} of record ${String(id).padStart(9, '0')}, with 40 bytes`

/** @param encrypted - what `encryptedColumn` gives for each column */
export const schemaOf = (name, encrypted) =>
  new EntitySchema({
    name,
    columns: {
      id: { type: 'int', primary: true },
      label: { type: 'text' },
      ...Object.assign({}, ...encrypted),
    },
  })

/** Compares some rows with what was written. */
export async function checkSome(rows, columns, read) {
  for (const id of [1, Math.ceil(rows / 2), rows]) {
    const { texts, sealedAs = id } = await read(id)
    for (const name of columnNames(columns)) {
      if (texts[name] !== textOf(sealedAs, name))
        throw new Error(`record ${id} has another ${name}`)
    }
  }
}

/** Jobs of one process with so many workers. */
export const jobsWith = (verb, run) =>
  [1, 2, 4].map((workers) => [
    `${verb}, ${workers} worker${workers > 1 ? 's' : ''}`,
    (onProgress) => run({ workers, batchSize: PAGE, onProgress }),
  ])

export const AT_ONCE = 'UPDATE, one statement'
export const IN_PAGES = 'UPDATE, pages'
