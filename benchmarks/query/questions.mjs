// What is asked. Every question is put to the encrypted table and to its twin, with equal answers.
import { And, Between, In, LessThan, Like, MoreThanOrEqual } from 'typeorm'
import { BUCKET_ROWS, emailOf, phoneOf, STEP, surnameOf } from './people.mjs'

const PER_ROW = STEP / BUCKET_ROWS
const DEEP = 5000
/** Above it, a query that is made to open a third of all rows takes minutes, and says nothing new. */
const RAISED_ROWS = 200_000
const TAKE = 20
export const EXACT_LOOKUP = 'exact: findOneBy, unique'

/**
 * `ask(repositories, choice)` gives rows or a number; `choose(pick)` draws what one round asks for,
 * `pick(n)` being a random whole number below n. `unordered` answers are compared by their length.
 * `raised`: the default `maxRefine` refuses it where tables are large, so it is asked without as well.
 */
export function questionsFor(rows) {
  /** `count` neighbours in the order of income, beginning anywhere in a bucket. */
  const incomes = (count) => (pick) => {
    const from = pick(rows - count) * PER_ROW
    return Between(from, from + (count - 1) * PER_ROW)
  }
  const one = (pick) => pick(rows)
  const nothing = () => undefined
  const page = { take: TAKE }
  const wide = Math.floor(rows / 10)
  const narrow = Math.min(5 * BUCKET_ROWS, Math.floor(rows / 2))
  return [
    {
      name: EXACT_LOOKUP,
      choose: one,
      ask: async ({ people }, i) => [await people.findOneBy({ email: emailOf(i) })],
    },
    {
      name: 'exact: existsBy, nothing to open',
      choose: one,
      ask: ({ people }, i) => people.existsBy({ email: emailOf(i) }),
    },
    {
      name: 'exact: IN of 100',
      choose: (pick) => Array.from({ length: 100 }, () => emailOf(pick(rows))),
      ask: ({ people }, emails) =>
        people.find({ where: { email: In(emails) }, order: { id: 'ASC' } }),
    },
    {
      name: 'exact with bits: findBy',
      choose: one,
      ask: ({ people }, i) => people.findBy({ phone: phoneOf(i) }),
    },
    {
      name: "Like('ab%'), the length of the bucket, take 20",
      choose: one,
      unordered: true,
      ask: ({ people }, i) =>
        people.find({ where: { surname: Like(`${surnameOf(i).slice(0, 2)}%`) }, ...page }),
    },
    {
      name: "Like('abc%'), longer than the bucket",
      choose: one,
      unordered: true,
      ask: ({ people }, i) => people.findBy({ surname: Like(`${surnameOf(i).slice(0, 3)}%`) }),
    },
    {
      name: `Between over ${narrow} rows, take 20`,
      choose: incomes(narrow),
      unordered: true,
      ask: ({ people }, income) => people.find({ where: { income }, ...page }),
    },
    {
      name: `Between over ${narrow} rows, ordered, take 20`,
      choose: incomes(narrow),
      ask: ({ people }, income) =>
        people.find({ where: { income }, order: { income: 'ASC' }, ...page }),
    },
    {
      name: `the same, findAndCount`,
      choose: incomes(narrow),
      ask: async ({ people }, income) => {
        const [found, count] = await people.findAndCount({
          where: { income },
          order: { income: 'ASC' },
          ...page,
        })
        return [...found, { id: count }]
      },
    },
    {
      name: 'all rows ordered, take 20',
      choose: nothing,
      ask: ({ people }) => people.find({ order: { income: 'ASC' }, ...page }),
    },
    {
      name: `all rows ordered, skip ${DEEP}, take 20`,
      choose: nothing,
      ask: ({ people }) => people.find({ order: { income: 'ASC' }, skip: DEEP, ...page }),
    },
    {
      name: 'one ward of 20 ordered, take 20',
      choose: (pick) => `W${pick(20)}`,
      ask: ({ people }, ward) =>
        people.find({ where: { ward }, order: { income: 'ASC' }, ...page }),
    },
    {
      name: "visits ordered by the person's income, take 20",
      choose: nothing,
      ask: ({ visits }) =>
        visits.find({ relations: { person: true }, order: { person: { income: 'ASC' } }, ...page }),
    },
    {
      name: 'skewed: ordered, page outside of the full bucket',
      choose: nothing,
      ask: ({ people }) => people.find({ order: { deposit: 'DESC' }, ...page }),
    },
    {
      name: 'skewed: ordered, page in the full bucket',
      choose: nothing,
      raised: rows <= RAISED_ROWS,
      ask: ({ people }) => people.find({ order: { deposit: 'ASC' }, ...page }),
    },
    {
      name: `count over a range of ${wide} rows`,
      choose: incomes(wide),
      ask: ({ people }, income) => people.countBy({ income }),
    },
    {
      name: 'count, from one bucket up to another',
      choose: (pick) => {
        const from = (1 + pick(Math.floor((rows - wide) / BUCKET_ROWS) - 1)) * STEP
        return And(MoreThanOrEqual(from), LessThan(from + wide * PER_ROW))
      },
      ask: ({ people }, income) => people.countBy({ income }),
    },
    {
      name: 'count, one end in the full bucket',
      choose: (pick) => Between(pick(STEP), 3 * STEP),
      raised: rows <= RAISED_ROWS,
      ask: ({ people }, deposit) => people.countBy({ deposit }),
    },
    {
      name: `exists, over a range of ${wide} rows`,
      choose: incomes(wide),
      ask: ({ people }, income) => people.existsBy({ income }),
    },
    {
      name: 'exists, range inside of one bucket',
      choose: (pick) => {
        const bucket = pick(Math.floor(rows / BUCKET_ROWS)) * STEP
        return Between(bucket + STEP / 4, bucket + STEP / 2)
      },
      ask: ({ people }, income) => people.existsBy({ income }),
    },
  ]
}
