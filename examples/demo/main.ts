import 'reflect-metadata'
import { type Application, openDatabase } from './open-database'
import { Person } from './person'
import { askQuestions } from './queries'
import { showRefusals } from './refusals'
import { createReport, type Report } from './report'
import { showRotation } from './rotation'
import { seedPeople } from './seed'
import { showStoredRow } from './stored-row'

const PEOPLE = 2_000

async function main(): Promise<void> {
  const report = createReport({ json: process.argv.includes('--json') })
  const application = await openDatabase()
  try {
    await show(application, report)
  } finally {
    await application.close()
  }
  process.exitCode = report.finish() ? 0 : 1
}

async function show(application: Application, report: Report): Promise<void> {
  const people = seedPeople(PEOPLE)
  await storePeople(application, people, report)
  await showStoredRow(application, people, report)
  await askQuestions(application, people, report)
  await showRotation(application, people, report)
  await showRefusals(application, people, report)
}

async function storePeople(
  { dataSource, log }: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  report.scene(
    `${PEOPLE.toLocaleString('en')} people, saved as any TypeORM entity is`,
    'They do not exist: names are skewed as real ones are, incomes are log-normal. PostgreSQL ' +
      'runs inside this process and is gone when it ends.',
  )
  const repository = dataSource.getRepository(Person)
  const started = performance.now()
  await repository.save(repository.create(people.map((person) => ({ ...person }))), { chunk: 250 })
  const milliseconds = Math.round(performance.now() - started)
  log.take()
  report.listing([{ label: 'save', lines: ['await repository.save(people, { chunk: 250 })'] }])
  const count = await repository.count()
  report.check('all are stored', count === people.length, `${count} rows, ${milliseconds} ms`)
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
