// What a job is compared with: the same bytes of the same columns, written by SQL alone.

/**
 * One statement over all rows: nobody else can write to a row that it has passed until it ends.
 *
 * @param assignments - of a row that is named `r`; may use the parameters
 */
export async function updateAtOnce(dataSource, table, assignments, parameters = []) {
  await dataSource.query(`UPDATE ${table} AS r SET ${assignments}`, parameters)
}

/** In pages by primary key, one transaction each, as a job has them. */
export async function updateInPages(dataSource, table, assignments, size, parameters = []) {
  const [after, limit] = [1, 2].map((i) => `$${parameters.length + i}`)
  const statement = `WITH page AS (SELECT id FROM ${table} WHERE id > ${after} ORDER BY id LIMIT ${limit}),
      written AS (UPDATE ${table} AS r SET ${assignments} FROM page WHERE r.id = page.id)
    SELECT max(id) AS last FROM page`
  for (let last = 0; last !== null; ) {
    ;[{ last }] = await dataSource.query(statement, [...parameters, last, size])
  }
}
