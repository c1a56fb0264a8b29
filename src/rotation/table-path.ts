import type { EncryptedTable } from '../schema'

/** What of a table its name in a statement is made of. */
type TableName = Pick<EncryptedTable, 'schema' | 'name'>

/** A table's name for reports: `patient`, or `clinic.patient` where it has a schema. */
export function tableLabel({ schema, name }: TableName): string {
  return schema === null ? name : `${schema}.${name}`
}

/** A table's name in a statement. */
export function tablePath({ schema, name }: TableName): string {
  return schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`
}

/** An identifier in a statement. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
