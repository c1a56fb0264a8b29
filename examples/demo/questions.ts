import {
  Between,
  type FindOptionsOrder,
  type FindOptionsWhere,
  In,
  LessThan,
  MoreThanOrEqual,
} from 'typeorm'
import type { Person } from './person'

/** A question to the database beside the same question to an array. */
export interface Question {
  readonly name: string
  readonly code: string
  /** Find options, or the SQL text of a query builder's condition on the alias `p`. */
  readonly where: FindOptionsWhere<Person> | string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly matches: (person: Person) => boolean
  readonly order?: FindOptionsOrder<Person>
  readonly compare?: (a: Person, b: Person) => number
  readonly page?: { readonly skip: number; readonly take: number }
}

export const QUESTIONS: readonly Question[] = [
  {
    name: 'exact match, in the letter case of whoever asks',
    code: "where: { email: 'FINN.JONES.1815@EXAMPLE.ORG' }",
    where: { email: 'FINN.JONES.1815@EXAMPLE.ORG' },
    matches: ({ email }) => email.toLowerCase() === 'finn.jones.1815@example.org',
  },
  {
    name: 'IN',
    code: "where: { surname: In(['Lovelace', 'Zamora', 'Virtanen']) }",
    where: { surname: In(['Lovelace', 'Zamora', 'Virtanen']) },
    matches: ({ surname }) => ['Lovelace', 'Zamora', 'Virtanen'].includes(surname),
  },
  {
    name: 'range whose ends lie inside buckets',
    code: 'where: { income: Between(123_456, 234_567) }',
    where: { income: Between(123_456, 234_567) },
    matches: ({ income }) => income >= 123_456 && income <= 234_567,
  },
  {
    name: 'SQL text in a query builder, with its parameters',
    code: "where('p.surname LIKE :start AND (p.income > :much OR p.email = :who)', …)",
    where: 'p.surname LIKE :start AND (p.income > :much OR p.email = :who)',
    parameters: { start: 'Vir%', much: 95_000, who: 'ida.virtanen.7@example.org' },
    matches: ({ surname, income, email }) =>
      surname.startsWith('Vir') &&
      (income > 95_000 || email.toLowerCase() === 'ida.virtanen.7@example.org'),
  },
  {
    name: 'combined: a rectangle on the map, a birth date, an income and a plain column',
    code:
      'where: { latitude: Between(51.4, 51.6), longitude: Between(-0.25, 0.05), ' +
      "birthDate: MoreThanOrEqual('1970-05-17'), income: LessThan(45_500), ward: 'B1' }",
    where: {
      ...{ latitude: Between(51.4, 51.6), longitude: Between(-0.25, 0.05) },
      ...{ birthDate: MoreThanOrEqual('1970-05-17'), income: LessThan(45_500), ward: 'B1' },
    },
    matches: ({ latitude, longitude, birthDate, income, ward }) =>
      latitude >= 51.4 &&
      latitude <= 51.6 &&
      longitude >= -0.25 &&
      longitude <= 0.05 &&
      birthDate >= '1970-05-17' &&
      income < 45_500 &&
      ward === 'B1',
  },
  {
    name: 'ordered and paged: the third page of the Smiths, highest income first',
    code: "where: { surname: 'smith' }, order: { income: 'DESC', id: 'ASC' }, skip: 20, take: 10",
    where: { surname: 'smith' },
    matches: ({ surname }) => surname === 'Smith',
    order: { income: 'DESC', id: 'ASC' },
    compare: (a, b) => b.income - a.income || a.id - b.id,
    page: { skip: 20, take: 10 },
  },
]
