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
  await fill()
  await dataSource.query('VACUUM ANALYZE bare')
  let round = 0

  function chunks(isIndexed) {
    return [...chunksOf(rows, (id) => contender.rowAt(id, isIndexed))]
  }

  /** In equal shares under each version of the KEK, where there is one. */
  async function fill() {
    const versions = contender.nextKey ? KEK_VERSIONS : 1
    const all = chunks(false)
    for (let version = 0; version < versions; version++) {
      if (version > 0) await contender.nextKey()
      await insert(
        bare,
        all.filter((_, i) => i % versions === version),
      )
    }
  }

  async function insertAgain(repository, isIndexed) {
    const { tableName } = repository.metadata
    await dataSource.query(`TRUNCATE ${tableName}`)
    const made = chunks(isIndexed)
    return timed(() => insert(repository, made))
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
        await contender.closeKeys()
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
    /** Compares every row that is stored with what was written last, and counts the indexes. */
    async verify() {
      const [{ count }] = await dataSource.query(
        `SELECT count(*)::int AS count FROM pg_indexes WHERE tablename = 'indexed'`,
      )
      // With that of the primary key.
      if (count !== (contender.indexed === false ? 1 : 3)) {
        throw new Error(`${name} has ${count} indexes`)
      }
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
