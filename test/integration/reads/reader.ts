import type {
  DataSource,
  EntityManager,
  ObjectLiteral,
  Repository,
  SelectQueryBuilder,
} from 'typeorm'
import type { Entities } from './entities'
import type { World } from './worlds'

/** What a query is written against: one of two worlds, without the types of either. */
export interface Reader {
  readonly dataSource: DataSource
  readonly m: EntityManager
  readonly e: Readonly<Record<keyof Entities, new () => ObjectLiteral>>
  readonly people: Repository<ObjectLiteral>
  /** A builder over people under the alias p. */
  q(): SelectQueryBuilder<ObjectLiteral>
}

/** Queries by what they show. */
export type Queries = Readonly<Record<string, (reader: Reader) => Promise<unknown>>>

export function readerOf({ dataSource, entities }: World): Reader {
  const e = entities as Reader['e']
  const m = dataSource.manager
  return {
    ...{ dataSource, m, e, people: m.getRepository(e.Person) },
    q: () => m.createQueryBuilder(e.Person, 'p'),
  }
}

/** The same queries by each way of loading relations. */
export function byStrategy(queries: (relationLoadStrategy: 'join' | 'query') => Queries): Queries {
  return Object.fromEntries(
    (['join', 'query'] as const).flatMap((strategy) =>
      Object.entries(queries(strategy)).map(([name, query]) => [`${name}, by ${strategy}`, query]),
    ),
  )
}

export const byId = (rows: ObjectLiteral[]) => rows.sort((a, b) => a.id - b.id)
