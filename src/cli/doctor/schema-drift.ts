import { quote, tablePath } from '../../rotation/table-path'
import type { DeclaredTableColumn } from '../../typeorm/declared-storage'
import type { StoredTable } from './catalogue'
import { type Found, ok, problem, warning } from './finding'
import type { Setup } from './setup'

const MIGRATE = 'npx typeorm migration:generate … && npx typeorm migration:run'

/**
 * The columns of encrypted properties are in the database as the entities declare them: of this type,
 * and nullable or not. Other columns are none of its business.
 */
export async function checkSchemaDrift({ declared, catalogue }: Setup): Promise<Found[]> {
  const findings = declared.columns.flatMap((column) =>
    difference(column, catalogue({ schema: column.schema, name: column.table })),
  )
  if (findings.length > 0) return findings
  return [
    ok('encrypted columns', `all ${declared.columns.length} are as the entities declare them`),
  ]
}

function difference(wanted: DeclaredTableColumn, table: StoredTable | null): Found[] {
  const { field, schema, role, nullable } = wanted
  const column = table?.columns.find(({ name }) => name === wanted.column)
  const subject = `${field} (${wanted.table}.${wanted.column})`
  if (!column) {
    const finding = table ? 'the column does not exist' : 'the table does not exist'
    return [problem(subject, `${finding}: a migration has not run, or was never made`, MIGRATE)]
  }
  const alter =
    `ALTER TABLE ${tablePath({ schema, name: wanted.table })} ` +
    `ALTER COLUMN ${quote(wanted.column)}`
  if (column.type !== wanted.type) return [otherType(subject, role, column.type, wanted.type)]
  if (column.nullable === nullable) return []
  return nullable
    ? [problem(subject, 'refuses NULL, and the property takes it', `${alter} DROP NOT NULL;`)]
    : [warning(subject, 'takes NULL, and the property does not', `${alter} SET NOT NULL;`)]
}

/** Envelopes and tokens cannot be cast: a column of another type holds something else. */
function otherType(
  subject: string,
  role: DeclaredTableColumn['role'],
  type: string,
  wanted: string,
): Found {
  const finding = `is of type ${type}, and must be ${wanted}`
  return role === 'main'
    ? problem(
        subject,
        `${finding}: values that are stored there are in clear`,
        'see docs/how-to/encrypt-existing-data.md; never change the type in place',
      )
    : problem(subject, finding, MIGRATE)
}
