import type { Application } from './open-database'
import { Person } from './person'
import type { Report } from './report'

/** The entity as the application sees it beside the row as the database holds it. */
export async function showStoredRow(
  { dataSource }: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  report.scene(
    'One person, seen by the application and by the database',
    'envelope: sealed with a fresh key for every written row. _hmac: equal for equal values, ' +
      'keyed. _lofi: the value at low fidelity, in clear, because ranges and order need it.',
  )
  const person = people.find(({ record }) => record !== null)!
  const entity = await dataSource.getRepository(Person).findOneByOrFail({ id: person.id })
  const [row] = await dataSource.query('SELECT * FROM person WHERE id = $1', [person.id])
  report.table(['column', 'application', 'database'], describeColumns(entity, row))
  const stored = Object.values(row as object).map(bytesOf)
  const secrets = [person.givenName, person.surname, person.email, person.birthDate]
  report.check(
    'the row holds no name, e-mail address or birth date',
    secrets.every((secret) => !stored.some((bytes) => bytes.includes(secret))),
    `${secrets.length} values looked for in ${stored.length} columns`,
  )
}

function describeColumns(entity: Person, row: Record<string, unknown>): string[][] {
  return Object.entries(row).map(([column, stored]) => {
    const value: unknown = entity[column as keyof Person]
    return [column, value === undefined ? '' : shown(value), shown(stored)]
  })
}

function shown(value: unknown): string {
  if (Buffer.isBuffer(value)) {
    const hex = value.toString('hex')
    return `${hex.slice(0, 4)} ${hex.slice(4, 20)}… ${value.length} bytes`
  }
  if (value instanceof Date) return value.toISOString().slice(0, 10)
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.length > 42 ? `${text.slice(0, 41)}…` : text
}

function bytesOf(value: unknown): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(String(value))
}
