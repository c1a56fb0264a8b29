// The rows that are asked for: people in an encrypted table, and the same people in a plain one.
import { EntitySchema } from 'typeorm'
import { encryptedColumn } from '../../dist/typeorm/index.mjs'
import { createRandom, shuffle } from '../lib/random.mjs'

/** Rows in one bucket of `income`; two thirds of the buckets of `deposit` are as full. */
export const BUCKET_ROWS = 1000
export const STEP = 10_000
const WARDS = 20
const CHUNK = 1000
const WRITERS = 3

/** About 25 rows for each token of `phone`. */
export const phoneBits = (rows) => Math.max(8, Math.round(Math.log2(rows / 25)))

/** @returns the schemas of the encrypted entities, and those of their twins */
export function schemasFor(rows) {
  const sealed = {
    ...encryptedColumn('email', { type: 'string', exact: { normalize: 'email', unique: true } }),
    ...encryptedColumn('phone', { type: 'string', exact: { bits: phoneBits(rows) } }),
    ...encryptedColumn('surname', { type: 'string', range: { prefix: 2 } }),
    ...encryptedColumn('income', { type: 'number', range: { step: STEP } }),
    ...encryptedColumn('deposit', { type: 'number', range: { step: STEP } }),
  }
  const plain = {
    email: { type: 'text', unique: true },
    phone: { type: 'text' },
    surname: { type: 'text', collation: 'C' },
    income: { type: 'double precision' },
    deposit: { type: 'double precision' },
  }
  const indices = ['phone', 'surname', 'income', 'deposit'].map((column) => ({ columns: [column] }))
  return {
    sealed: [person('sealed_person', sealed), visit('sealed_visit', 'sealed_person')],
    plain: [person('plain_person', plain, indices), visit('plain_visit', 'plain_person')],
  }
}

function person(name, columns, indices = []) {
  return new EntitySchema({
    name,
    columns: { id: { type: 'int', primary: true }, ward: { type: 'text' }, ...columns },
    indices: [{ columns: ['ward'] }, ...indices],
  })
}

function visit(name, target) {
  return new EntitySchema({
    name,
    columns: { id: { type: 'int', primary: true }, reason: { type: 'text' } },
    relations: { person: { type: 'many-to-one', target, joinColumn: { name: 'person_id' } } },
    indices: [{ columns: ['person'] }],
  })
}

/** The `i`-th person. `income` and `deposit` differ in every row; a third share a bucket of `deposit`. */
function createPopulation(rows, random) {
  const incomes = shuffled(rows, random)
  const deposits = shuffled(rows, random)
  const third = Math.floor(rows / 3)
  return (i) => ({
    id: i,
    ward: `W${i % WARDS}`,
    email: emailOf(i),
    phone: phoneOf(i),
    surname: surnameOf(i),
    income: (incomes[i] * STEP) / BUCKET_ROWS,
    deposit:
      deposits[i] < third
        ? (deposits[i] * STEP) / third
        : STEP + ((deposits[i] - third) * STEP) / BUCKET_ROWS,
  })
}

export const emailOf = (i) => `person-${i}@example.com`
export const phoneOf = (i) => `+43 660 ${String(i).padStart(7, '0')}`

/** Six random letters: every beginning is as frequent as another of its length. */
export function surnameOf(i) {
  const random = createRandom(i)
  return Array.from({ length: 6 }, () => String.fromCharCode(97 + random() * 26)).join('')
}

/** Fills all four tables: while PostgreSQL writes one chunk the next one is sealed. */
export async function fillTables(sides, rows, random) {
  const personAt = createPopulation(rows, random)
  const chunks = chunksOf(personAt, rows)
  const fillOn = async () => {
    for (const chunk of chunks) {
      for (const { people } of sides) await people.insert(chunk.map((one) => ({ ...one })))
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, fillOn))
  for (const { people, visits } of sides) {
    const [from, to] = [people, visits].map(({ metadata }) => metadata.tableName)
    await visits.query(
      `INSERT INTO ${to} (id, reason, person_id) SELECT id, 'visit ' || id, id FROM ${from} WHERE id % 2 = 0`,
    )
    await visits.query(`VACUUM ANALYZE ${from}`)
    await visits.query(`VACUUM ANALYZE ${to}`)
  }
}

function* chunksOf(personAt, rows) {
  for (let first = 0; first < rows; first += CHUNK) {
    yield Array.from({ length: Math.min(CHUNK, rows - first) }, (_, i) => personAt(first + i))
  }
}

function shuffled(length, random) {
  return shuffle(
    Uint32Array.from({ length }, (_, i) => i),
    random,
  )
}
