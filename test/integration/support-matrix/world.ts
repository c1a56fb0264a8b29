import type { DataSource, ObjectLiteral, Repository, SelectQueryBuilder } from 'typeorm'
import { type Setup, setUp } from '../people'
import * as entities from './entities'
import { encryptedSchemaEntity } from './schema-entity'

/** What the rows of the matrix work on: the same few rows before each of them. */
export interface World {
  readonly dataSource: DataSource
  /** Every statement with its parameters, of the row alone. */
  readonly log: string[]
  readonly patients: Repository<entities.Patient>
  readonly notes: Repository<entities.Note>
  builder(): SelectQueryBuilder<entities.Patient>
  repository<E extends ObjectLiteral>(entity: new () => E): Repository<E>
  /** What the table holds of one patient. */
  stored(id: number): Promise<Record<string, unknown>>
}

export const ENTITIES = [...Object.values(entities), encryptedSchemaEntity]

export async function createWorld(url: string): Promise<World & { close(): Promise<void> }> {
  const setup: Setup = await setUp(url, ENTITIES as never, {
    cache: { type: 'database', tableName: 'result_cache', alwaysEnabled: false },
  })
  const { dataSource, log } = setup
  const repository = <E extends ObjectLiteral>(entity: new () => E) =>
    dataSource.getRepository(entity)
  return {
    dataSource,
    log,
    repository,
    patients: repository(entities.Patient),
    notes: repository(entities.Note),
    builder: () => repository(entities.Patient).createQueryBuilder('p'),
    async stored(id) {
      const [row] = await dataSource.query('SELECT * FROM patient WHERE id = $1', [id])
      return row
    },
    close: () => dataSource.destroy(),
  }
}

const UNTOUCHED = 'SELECT: the first line of the log of a row'
const WRITES = /^(?!SELECT|START|COMMIT|ROLLBACK)/

/** Three patients of two wards, with two notes each, a card, and two tags. */
export async function reset(world: World): Promise<void> {
  const { dataSource, log, patients, repository } = world
  // Most rows only read. One that empties the log may have written before.
  if (log[0] === UNTOUCHED && !log.some((line) => WRITES.test(line))) {
    log.length = 1
    return
  }
  const tables = await dataSource.query(
    `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'mortise%'
      AND tablename <> 'typeorm_metadata'`,
  )
  const names = tables.map(({ tablename }: { tablename: string }) => `"${tablename}"`)
  await dataSource.query(`TRUNCATE ${names.join(', ')} CASCADE`)
  await patients.save(
    [1, 2, 3].map((id) =>
      patients.create({
        id,
        ward: id < 3 ? 'A' : 'B',
        email: `p${id}@x.org`,
        income: id * 7,
        surname: ['Abel', 'Abraham', 'Cain'][id - 1] ?? null,
        chart: { allergies: [`a${id}`] },
        hidden: `h${id}`,
        address: { city: 'Ulm', street: `Street ${id}` },
        notes: [1, 2].map((n) => ({ id: id * 10 + n, text: `n${id}${n}`, weight: id * n })),
        tags: id === 1 ? [{ id: 1, label: 'red' }] : [],
      }),
    ),
  )
  const card = { id: 1, number: '4711', patient: { id: 1 } }
  await repository(entities.Card).insert(card as never)
  log.splice(0, log.length, UNTOUCHED)
}
