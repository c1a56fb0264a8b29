import { Like } from 'typeorm'
import { checkRefused, samePeople } from './checks'
import type { Application } from './open-database'
import { Person } from './person'
import type { Report } from './report'

/** Another root key, changed rows and unanswerable questions: each a typed error, none an answer. */
export async function showRefusals(
  application: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  report.scene(
    'What is refused',
    'Each attempt must end in its own error code. None may give an answer, be it empty.',
  )
  await refuseOtherRootKey(application, report)
  await refuseChangedRows(application, people, report)
  await refuseUnanswerable(application, report)
}

async function refuseOtherRootKey(application: Application, report: Report): Promise<void> {
  await checkRefused(report, 'a wrong root key', 'ERR_KEY_INTEGRITY', async () => {
    const { dataSource, close } = await application.openWithOtherRootKey()
    await dataSource.getRepository(Person).findOneBy({ id: 1 }).finally(close)
  })
}

/** What someone who can write to the table, and has no key, might try; `email` is what they hit. */
const CHANGES = [
  {
    what: 'one flipped bit of ciphertext',
    email: 'set_byte(email, 90, get_byte(email, 90) # 1)',
    code: 'ERR_DECRYPTION_FAILED',
  },
  {
    what: 'one flipped bit of the wrapped data key',
    email: 'set_byte(email, 12, get_byte(email, 12) # 1)',
    code: 'ERR_DECRYPTION_FAILED',
  },
  {
    what: 'a value moved to another column of its row',
    email: 'surname',
    code: 'ERR_DECRYPTION_FAILED',
  },
  {
    what: 'plaintext in place of an envelope',
    email: "convert_to('mallory@example.org', 'UTF8')",
    code: 'ERR_ENVELOPE_MALFORMED',
  },
] as const

async function refuseChangedRows(
  { dataSource }: Application,
  people: readonly Person[],
  report: Report,
): Promise<void> {
  const repository = dataSource.getRepository(Person)
  const id = 1
  const [{ email }] = await dataSource.query('SELECT email FROM person WHERE id = $1', [id])
  for (const change of CHANGES) {
    await dataSource.query(`UPDATE person SET email = ${change.email} WHERE id = $1`, [id])
    await checkRefused(report, change.what, change.code, () => repository.findOneBy({ id }))
    await dataSource.query('UPDATE person SET email = $1 WHERE id = $2', [email, id])
  }
  const restored = await repository.findBy({ id })
  const expected = people.filter((person) => person.id === id)
  const same = samePeople(restored, expected, { ordered: false })
  report.check('the row reads again when its bytes are restored', same, `${restored.length} row`)
}

async function refuseUnanswerable({ dataSource }: Application, report: Report): Promise<void> {
  const repository = dataSource.getRepository(Person)
  await checkRefused(report, "Like('ada%') on an encrypted property", 'ERR_QUERY_UNSUPPORTED', () =>
    repository.findBy({ email: Like('ada%') }),
  )
  await checkRefused(
    report,
    'a condition on a property without index',
    'ERR_QUERY_UNSUPPORTED',
    () => repository.findBy({ givenName: 'Ada' }),
  )
}
