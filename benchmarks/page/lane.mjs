// One contender of the part `page`: TypeORM on a database of its own, with a table that has an exact and
// a range index and one that has neither.
import { Between, DataSource } from 'typeorm'
import { longestHold } from '../lib/hold.mjs'
import { timed } from '../lib/timed.mjs'
import { contenders, KEK_VERSIONS, schemasOf } from './contenders.mjs'
import { COLUMNS, changedCity, chunksOf, textsOf } from './rows.mjs'

const PAGE = 50

/** @param contender - a name of contenders.mjs */
export async function open({ contender: name, url, rows, changes, secret }) {
  const contender = await contenders[name]({ rows, secret })
  const connect = async (options) =>
    contender
      .connect(
        new DataSource({ type: 'postgres', url, entities: schemasOf(contender), ...options }),
      )
      .initialize()
  const dataSource = await connect({ synchronize: true })
  const [bare, indexed] = ['bare', 'indexed'].map((table) => dataSource.getRepository(table))
  for (let version = 1; version <= (contender.nextKey ? KEK_VERSIONS : 1); version++) {
    if (version > 1) await contender.nextKey()
    await insert(bare, rowsOf(version))
  }
  await dataSource.query('VACUUM ANALYZE bare')
  let round = 0

  /** All rows, or the share of them that is written under one KEK. */
  function rowsOf(version) {
    const all = [...chunksOf(rows, (id) => contender.rowAt(id, false))]
    if (version === undefined || !contender.nextKey) return all
    return all.filter((_, chunk) => chunk % KEK_VERSIONS === version - 1)
  }

  async function insertAgain(repository, isIndexed) {
    const { tableName } = repository.metadata
    await dataSource.query(`TRUNCATE ${tableName}`)
    const chunks = [...chunksOf(rows, (id) => contender.rowAt(id, isIndexed))]
    return timed(() => insert(repository, chunks))
  }

  const operations = {
    find: () => timed(() => bare.find()),
    async cold() {
      const fresh = await connect()
      try {
        const took = await timed(() => fresh.getRepository('bare').find())
        return { ...took, calls: contender.calls() }
      } finally {
        await fresh.destroy()
      }
    },
    hold: async () => ({ ms: await longestHold(() => bare.find()) }),
    page() {
      const first = 1 + ((round++ * 37) % Math.floor(rows / PAGE)) * PAGE
      const id = Between(first, first + PAGE - 1)
      return timed(() => bare.find({ where: { id }, order: { id: 'ASC' } }))
    },
    async save() {
      round++
      const entities = await bare.find({ order: { id: 'ASC' }, take: changes })
      for (const entity of entities) {
        entity.city = contender.changed(changedCity(entity.id, round))
      }
      const took = await timed(() => bare.save(entities))
      const saved = await bare.find({ order: { id: 'ASC' }, take: changes })
      if (saved.some(({ city }, i) => String(city) !== String(entities[i].city))) {
        throw new Error(`${name} saved another city`)
      }
      return took
    },
    insert: () => insertAgain(bare, false),
    insertIndexed: () => insertAgain(indexed, true),
  }

  return {
    knows(operation) {
      if (operation === 'cold') return contender.calls !== undefined
      return operation !== 'insertIndexed' || contender.indexed !== false
    },
    /** @returns `ms` and `processorMs`, and for cold keys `calls` to the provider for data KEKs */
    measure: (operation) => operations[operation](),
    /** Compares every row that is stored with what was written last. */
    async verify() {
      for (const repository of [bare, indexed]) {
        const found = await repository.find({ order: { id: 'ASC' } })
        if (repository === bare && found.length !== rows) throw new Error(`${name} lost rows`)
        const read = await contender.textsIn(found)
        read.forEach((row, i) => {
          check(name, row, textsOf(found[i].id))
        })
      }
    },
    close: () => dataSource.destroy(),
  }
}

async function insert(repository, chunks) {
  for (const chunk of chunks) await repository.insert(chunk)
}

function check(name, row, texts) {
  for (const column of COLUMNS) {
    if (row[column] !== texts[column]) throw new Error(`${name} read another ${column}`)
  }
}
