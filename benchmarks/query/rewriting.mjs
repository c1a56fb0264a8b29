// What it takes in the process to rewrite a query: statements are rendered and not sent.
import { interleave } from '../lib/interleave.mjs'
import { summarize } from '../lib/statistics.mjs'
import { emailOf } from './people.mjs'

const BATCH = 50

/** @returns summaries of microseconds by name */
export async function measureRewriting({ sealed, sealedTwin, plain }, rows, rounds) {
  let fresh = 0
  const render = (people, where, alias = 'person') => {
    const builder = people.createQueryBuilder(alias).setFindOptions({ where, take: 20 })
    return builder.getQueryAndParameters()
  }
  const byId = (people) => () => render(people, { id: fresh++ % rows })
  const byEmail = (people, alias) => () =>
    render(people, { email: emailOf(fresh++ % rows) }, alias?.())
  const unseen = () => `person_${fresh++}`
  const contenders = [
    ['render: plain entity, without withEncryption', byId(plain.people)],
    ['render: plain entity, with withEncryption', byId(sealedTwin)],
    ['render: the twin by e-mail', byEmail(plain.people)],
    ['render: encrypted entity by e-mail, text known', byEmail(sealed.people)],
    ['render: the twin by e-mail, text new', byEmail(plain.people, unseen)],
    ['render: encrypted entity by e-mail, text new', byEmail(sealed.people, unseen)],
    ['findOneBy id: plain entity, without withEncryption', () => plain.people.findOneBy({ id: 1 })],
    ['findOneBy id: plain entity, with withEncryption', () => sealedTwin.findOneBy({ id: 1 })],
  ]
  const samples = await interleave(
    new Map(contenders.map(([name, work]) => [name, () => timed(work)])),
    { rounds, warmUp: 3 },
  )
  return new Map([...samples].map(([name, all]) => [name, summarize(all)]))
}

async function timed(work) {
  const begin = performance.now()
  for (let i = 0; i < BATCH; i++) await work()
  return ((performance.now() - begin) * 1000) / BATCH
}
