// What a job is compared with: the same 48 bytes of the same columns, written by SQL alone. The bytes
// are those that are there, so that the values stay what they are; PostgreSQL writes them all the same.
import { columnNames } from './records.mjs'

const assignments = (columns) =>
  columnNames(columns)
    .map((name) => `${name} = overlay(r.${name} placing substring(r.${name} from 3 for 48) from 3)`)
    .join(', ')

/** One statement over all rows: nobody else can write to a row that it has passed until it ends. */
export async function updateAtOnce(dataSource, columns) {
  await dataSource.query(`UPDATE record_${columns} AS r SET ${assignments(columns)}`)
}

/** In pages by primary key, one transaction each. */
export async function updateInPages(dataSource, columns, size) {
  const statement = `WITH page AS (SELECT id FROM record_${columns} WHERE id > $1 ORDER BY id LIMIT $2),
      written AS (UPDATE record_${columns} AS r SET ${assignments(columns)} FROM page WHERE r.id = page.id)
    SELECT max(id) AS last FROM page`
  for (let after = 0; after !== null; ) {
    const [{ last }] = await dataSource.query(statement, [after, size])
    after = last
  }
}
