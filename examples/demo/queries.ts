import type { Repository } from 'typeorm'
import { samePeople } from './checks'
import type { Application } from './open-database'
import { Person } from './person'
import { QUESTIONS, type Question } from './questions'
import type { Report } from './report'

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
  const { name, code, order } = question
  log.take()
  const started = performance.now()
  const [found, count] = await answerFromDatabase(question, dataSource.getRepository(Person))
  const milliseconds = Math.round(performance.now() - started)
  report.listing([
    { label: typeof question.where === 'string' ? 'query' : 'find', lines: [code] },
    ...log.take().map(({ sql, parameters }) => ({
      label: 'sql',
      lines: [sql, `-- ${parameters.join(', ')}`],
    })),
    { label: 'answer', lines: describeSome(found) },
  ])
  const { expected, total } = answerFromPlaintext(question, people)
  const ok =
    count > 0 && count === total && samePeople(found, expected, { ordered: order !== undefined })
  report.check(name, ok, `${found.length} of ${count} rows, ${milliseconds} ms`)
}

function answerFromDatabase(
  { where, parameters, order, page }: Question,
  repository: Repository<Person>,
): Promise<[Person[], number]> {
  if (typeof where === 'string') {
    return repository.createQueryBuilder('p').where(where, parameters).getManyAndCount()
  }
  return repository.findAndCount({ where, ...(order && { order }), ...page })
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

function describeSome(people: readonly Person[]): string[] {
  const rows = people.slice(0, 3).map(describe)
  return people.length > rows.length ? [...rows, '…'] : rows
}

function describe({ id, givenName, surname, email, income, birthDate }: Person): string {
  return `${id}  ${givenName} ${surname}  ${email}  ${income}  ${birthDate}`
}
