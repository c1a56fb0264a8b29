import type { EncryptedTable } from '../schema'

/** What of a table its name in a statement is made of. */
type TableName = Pick<EncryptedTable, 'schema' | 'name'>

/**
 * A table's name for reports and jobs: `patient`, or `clinic.patient` where it has a schema. What would
 * read as two names is quoted: no two tables share a label.
 */
export function tableLabel({ schema, name }: TableName): string {
  return schema === null ? shown(name) : `${shown(schema)}.${shown(name)}`
}

function shown(name: string): string {
  return /[."]/.test(name) ? quote(name) : name
}

/** A table's name in a statement. */
export function tablePath({ schema, name }: TableName): string {
  return schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`
}

/** An identifier in a statement. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
