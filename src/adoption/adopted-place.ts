import { sha256 } from '../crypto/hash'

/** The columns of one property that is being adopted. */
export interface AdoptedPlace {
  /** Schema of the table; null for the search path. */
  readonly schema: string | null
  readonly table: string
  /** The column that holds the values now. */
  readonly plainColumn: string
  readonly envelopeColumn: string
  readonly indexColumns: readonly string[]
  /** Columns that say how the envelope of a row is sealed: its subject, its primary key. */
  readonly ownerColumns: readonly string[]
}

/** The table's name in the record of adoptions: `patient`, or `clinic.patient` where it has a schema. */
export function placeLabel({ schema, table }: Pick<AdoptedPlace, 'schema' | 'table'>): string {
  return schema === null ? table : `${schema}.${table}`
}

/** The table's name in a statement. */
export function placePath({ schema, table }: Pick<AdoptedPlace, 'schema' | 'table'>): string {
  return schema === null ? quote(table) : `${quote(schema)}.${quote(table)}`
}

/** An identifier in a statement. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text in a statement that takes no parameters. */
export function literal(text: string): string {
  const plain = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${plain.replaceAll('\\', '\\\\')}` : plain
}

/** PostgreSQL cuts longer names off. */
const MAX_NAME_BYTES = 63
const HASH_DIGITS = 16

/** Made of its parts, so that it is found again, and short enough to be kept whole. */
export function ownName(...parts: readonly string[]): string {
  const name = ['mortise_adopt', ...parts].join('_')
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  const hash = sha256(Buffer.from(name)).toString('hex').slice(0, HASH_DIGITS)
  return `mortise_adopt_${hash}`
}
