import type { EntityMetadata } from 'typeorm'
import { describe, expect, it } from 'vitest'
import type { EncryptedColumn } from '../../../src/typeorm/encrypted-column'
import type { EncryptedTables, Source } from '../../../src/typeorm/sql/encrypted-tables'
import { findReferences } from '../../../src/typeorm/sql/references'
import { tokenize } from '../../../src/typeorm/sql/tokens'

const entityMetadata = { primaryColumns: [{ databaseName: 'id' }] } as unknown as EntityMetadata
const email = { main: { databaseName: 'email', entityMetadata } } as EncryptedColumn
const person: Source = {
  encrypted: new Map([['email', email]]),
  columns: new Set(['id', 'ward', 'email', 'email_hmac']),
  derived: false,
}
const ward: Source = { encrypted: new Map(), columns: new Set(['id', 'email']), derived: false }
const tables: EncryptedTables = {
  mentionedIn: () => true,
  find: (path) => ({ person, ward, email: person })[path.at(-1) as string],
}

/** The uses of envelopes in a statement, in its order; a `?` where they may only be refused. */
function usesIn(sql: string): string[] {
  const references = findReferences(tokenize(sql), tables)
  return references
    .sort((a, b) => a.first - b.first)
    .map(({ use, derived }) => (derived ? `${use}?` : use))
}

describe('findReferences', () => {
  it.each<[string, string[]]>([
    ['SELECT "p"."email" AS "p_email" FROM "person" "p"', ['output']],
    ['SELECT p.id FROM person p WHERE p.email = $1', ['expression']],
    ['SELECT id FROM person WHERE email = $1', ['expression']],
    ['SELECT id FROM public.person WHERE person.email = $1', ['expression']],
    ['SELECT 1 FROM person p WHERE p.email_hmac = $1', []],
    ['SELECT lower(p.email) FROM person p', ['expression']],
    ['SELECT a.id FROM ward a JOIN person p ON p.email = a.email', ['expression']],
    ['SELECT a.id FROM ward a, person p WHERE p.email = a.email', ['expression']],
    ['SELECT 1 FROM (ward a INNER JOIN person p ON p.email = $1)', ['expression']],
    ['SELECT a.email FROM ward a', []],
    ['SELECT 1 FROM person p GROUP BY p.email HAVING p.email = $1', ['group', 'expression']],
    ['SELECT 1 FROM person p ORDER BY p.email DESC', ['expression']],
    ['SELECT p.email AS e FROM person p ORDER BY e', ['output', 'expression?']],
    ['SELECT max(p.email) OVER (ORDER BY p.id) FROM person p', ['expression']],
    ['SELECT DISTINCT p.email FROM person p', ['distinct']],
    ['SELECT DISTINCT p.id, p.email FROM person p', ['output']],
    ['SELECT DISTINCT q.id, p.email FROM person p, person q', ['distinct']],
    ['SELECT DISTINCT ON (p.id) p.email FROM person p', ['output']],
    ['SELECT DISTINCT ON (p.email) p.id FROM person p', ['expression']],
    ['SELECT email FROM person UNION ALL SELECT email FROM person', ['output', 'output']],
    ['SELECT email FROM person UNION SELECT email FROM person', ['distinct', 'distinct']],
    ['UPDATE "person" SET "email" = $1, "ward" = $2 WHERE "email" = $3', ['target', 'expression']],
    ['UPDATE "person" SET "ward" = "email"', ['expression']],
    ['DELETE FROM "person" WHERE "email" = $1', ['expression']],
    ['SELECT "email"."email" FROM "email" "email" WHERE "email"."id" = $1', ['output']],
    ['SELECT p.id FROM email AS p JOIN ward email ON email.id = p.id', []],
    ['UPDATE "email" SET "email" = $1 WHERE "email" = $2', ['target', 'expression']],
    ['DELETE FROM "email" WHERE "email" = $1', ['expression']],
    ['INSERT INTO "email"("id") VALUES ($1) RETURNING "id"', []],
    ['SELECT 1 FROM ward a JOIN person p USING (email)', ['expression']],
    ['DELETE FROM ward USING person p WHERE p.email = $1', ['expression']],
    ['INSERT INTO "person"("id", "email") VALUES ($1, $2) RETURNING "email"', ['output']],
    [
      'INSERT INTO "person"("email") VALUES ($1) ON CONFLICT ("id") DO UPDATE SET "email" = EXCLUDED."email"',
      ['target'],
    ],
    ['SELECT 1 FROM person p WHERE p.id IS DISTINCT FROM p.email', ['expression']],
    ['SELECT p.id FROM person p FOR UPDATE OF p', []],
    ['SELECT p.id, p.email FROM person p ORDER BY 2', ['output', 'expression?']],
    ['SELECT p.id, p.email FROM person p ORDER BY 1 LIMIT 2', ['output']],
    ['SELECT count(*) AS email FROM person p ORDER BY email', []],
    ['SELECT email FROM person p GROUP BY email', ['output', 'group']],
    ['SELECT 1 FROM ward w NATURAL JOIN person p', ['expression?']],
    ['SELECT 1 FROM ward w JOIN person p USING (email)', ['expression']],
    ['SELECT 1 FROM person p, person q WHERE p = q', ['expression?', 'expression?']],
    ['SELECT 2 * p.id, p.* FROM person p', []],
    ['SELECT p.id FROM person p WHERE p.ward = $1::email', []],
  ])('%s', (sql, uses) => {
    expect(usesIn(sql)).toEqual(uses)
  })

  it.each<[string, string[]]>([
    ['SELECT 1 FROM ward w WHERE EXISTS (SELECT p.email FROM person p)', ['output']],
    ['SELECT 1 FROM ward w WHERE w.email IN (SELECT p.email FROM person p)', ['expression']],
    [
      'SELECT 1 FROM ward w WHERE w.id IN (SELECT p.id FROM person p WHERE p.email = $1)',
      ['expression'],
    ],
    ['SELECT 1 FROM person p WHERE EXISTS (SELECT 1 FROM ward p WHERE p.email = $1)', []],
    ['SELECT 1 FROM person WHERE EXISTS (SELECT 1 FROM ward WHERE email = $1)', []],
    ['SELECT 1 FROM person WHERE EXISTS (SELECT 1 FROM other WHERE email = $1)', ['expression?']],
    [
      'SELECT s.e FROM (SELECT email AS e FROM person) s WHERE s.e = $1',
      ['output?', 'output', 'expression?'],
    ],
    [
      'WITH c AS (SELECT email AS e FROM person) SELECT 1 FROM c WHERE e = $1',
      ['output', 'expression?'],
    ],
    [
      'WITH c(x) AS (SELECT email FROM person) SELECT 1 FROM c WHERE c.x = $1',
      ['output', 'expression?'],
    ],
    [
      'SELECT 1 FROM (SELECT id AS x FROM ward UNION ALL SELECT email FROM person) s WHERE s.x = $1',
      ['output', 'expression?'],
    ],
    ['SELECT 1 FROM (SELECT p.* FROM person p) s WHERE s.email = $1', ['expression?']],
    ['SELECT 1 FROM (SELECT * FROM person) s WHERE s.email = $1', ['expression?']],
    [
      'SELECT 1 FROM ward w, LATERAL (SELECT 1 FROM person p WHERE p.email = w.email) l',
      ['expression'],
    ],
  ])('of subqueries: %s', (sql, uses) => {
    expect(usesIn(sql)).toEqual(uses)
  })
})
