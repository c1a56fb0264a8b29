// The table that jobs and plain statements write to.
import { encryptedColumn } from 'mortise/typeorm'
import { EntitySchema } from 'typeorm'

const CHUNK = 1000
const SEALED = 20_000

/** A table with a number of encrypted columns, `c1`…, of about 140 bytes each, and a plain one. */
export function recordSchema(columns) {
  const names = columnNames(columns)
  const encrypted = names.map((name) => encryptedColumn(name, { type: 'string' }))
  return new EntitySchema({
    name: `record_${columns}`,
    columns: {
      id: { type: 'int', primary: true },
      label: { type: 'text' },
      ...Object.assign({}, ...encrypted),
    },
  })
}

export const columnNames = (columns) => Array.from({ length: columns }, (_, i) => `c${i + 1}`)

export const textOf = (id, name) =>
  `value ${name} of record ${String(id).padStart(9, '0')}, with 40 bytes`

/**
 * Fills the table. The first rows are sealed, each under a DEK of its own, and then copied: within a
 * page, and far beyond it, no two rows are alike.
 */
export async function fill(repository, rows, columns) {
  const names = columnNames(columns)
  const sealed = Math.min(rows, SEALED)
  for (let first = 1; first <= sealed; first += CHUNK) {
    const chunk = Array.from({ length: Math.min(CHUNK, sealed - first + 1) }, (_, i) => {
      const id = first + i
      const values = Object.fromEntries(names.map((name) => [name, textOf(id, name)]))
      return { id, label: `record ${id}`, ...values }
    })
    await repository.insert(chunk)
  }
  const all = ['label', ...names].join(', ')
  await repository.query(
    `INSERT INTO record_${columns} (id, ${all}) SELECT id + copy * ${sealed}, ${all}
      FROM record_${columns}, generate_series(1, ${Math.ceil(rows / sealed) - 1}) AS copy
      WHERE id + copy * ${sealed} <= ${rows} ORDER BY 1`,
  )
}

/** The record that a row was copied from. */
export const sealedAs = (id) => ((id - 1) % SEALED) + 1
