import {
  Between,
  type FindManyOptions,
  type FindOptionsOrder,
  type FindOptionsWhere,
  In,
  LessThan,
  MoreThanOrEqual,
} from 'typeorm'
import { samePeople } from './checks'
import type { Application } from './open-database'
import { Person } from './person'
import type { Report } from './report'

/** A question to the database beside the same question to an array. */
interface Question {
  readonly name: string
  readonly code: string
  readonly where: FindOptionsWhere<Person>
  readonly matches: (person: Person) => boolean
  readonly order?: FindOptionsOrder<Person>
  readonly compare?: (a: Person, b: Person) => number
  readonly page?: { readonly skip: number; readonly take: number }
}

const QUESTIONS: readonly Question[] = [
  {
    name: 'exact match, in the letter case of whoever asks',
    code: "where: { email: 'TESS.ITO.1815@EXAMPLE.ORG' }",
    where: { email: 'TESS.ITO.1815@EXAMPLE.ORG' },
    matches: ({ email }) => email.toLowerCase() === 'tess.ito.1815@example.org',
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

/** Each question with its statements and its answer, checked against the plaintext. */
export async function askQuestions(
  application: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  report.scene(
    'Questions to encrypted columns',
    'Conditions become tokens and buckets; rows that a bucket gives too many are dropped after ' +
      'opening. Answers and counts are exact: each is compared with the plaintext, value by value.',
  )
  for (const question of QUESTIONS) await ask(question, application, people, report)
}

async function ask(
  question: Question,
  { dataSource, log }: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  const { name, code, where, order, page } = question
  const options: FindManyOptions<Person> = { where, ...(order && { order }), ...page }
  log.take()
  const started = performance.now()
  const [found, count] = await dataSource.getRepository(Person).findAndCount(options)
  const milliseconds = Math.round(performance.now() - started)
  report.listing('find', [code])
  for (const { sql, parameters } of log.take()) {
    report.listing('sql', [sql, ...(parameters.length ? [`-- ${parameters.join(', ')}`] : [])])
  }
  report.listing('answer', [...found.slice(0, 3).map(describe), ...(found.length > 3 ? ['…'] : [])])
  const { expected, total } = answerFromPlaintext(question, people)
  const ok = count === total && samePeople(found, expected, { ordered: order !== undefined })
  report.check(name, ok, `${found.length} rows of ${count}, ${milliseconds} ms`)
}

function answerFromPlaintext(
  { matches, compare, page }: Question,
  people: readonly Person[],
): { expected: Person[]; total: number } {
  const all = people.filter(matches)
  const sorted = compare ? all.toSorted(compare) : all
  const expected = page ? sorted.slice(page.skip, page.skip + page.take) : sorted
  return { expected, total: all.length }
}

function describe({ id, givenName, surname, email, income, birthDate }: Person): string {
  return `${id}  ${givenName} ${surname}  ${email}  ${income}  ${birthDate}`
}
