import { type DataSource, EntityManager, IsNull, Repository } from 'typeorm'
import type { Behaviours } from './behaviour'
import { Author, Book, Tag } from './entities'
import {
  Article,
  Category,
  CitySchema,
  Content,
  Folder,
  Note,
  Photo,
  plainEntities,
  Region,
} from './more-entities'

const tags = (source: { getRepository: DataSource['getRepository'] }) => source.getRepository(Tag)

export const shapes: Behaviours = {
  'single-table inheritance': async (source) => {
    const contents = source.getRepository(Content)
    await source.getRepository(Photo).update({ width: 640 }, { title: 'Engine no. 1' })
    const [article] = await source.getRepository(Article).find({ relations: { remarks: true } })
    if (article) article.words++
    await contents.save(article as Content)
    return [
      await contents.find({ order: { id: 'ASC' }, relations: { remarks: true } }),
      await contents.findOneBy({ title: 'Engine no. 1' }),
      await source.createQueryBuilder(Content, 'c').where('c.words > 1').getMany(),
    ]
  },
  'closure tables': async (source) => {
    const trees = source.getTreeRepository(Category)
    const sql = await trees.findOneByOrFail({ name: 'sql' })
    await trees.save({ name: 'indexes', parent: sql })
    const joins = await trees.findOneByOrFail({ name: 'joins' })
    return [
      await trees.findTrees(),
      await trees.findRoots(),
      await trees.findDescendants(sql),
      await trees.findAncestorsTree(joins),
      await trees.countDescendants(sql),
      await trees
        .createDescendantsQueryBuilder('c', 'closure', sql)
        .andWhere("c.name <> 'x'")
        .getMany(),
    ]
  },
  'materialized paths': async (source) => {
    const trees = source.getTreeRepository(Folder)
    const docs = await trees.findOneByOrFail({ name: 'docs' })
    const letters = await trees.save({ name: 'letters', parent: docs })
    const home = await trees.findOneByOrFail({ name: 'home' })
    await trees.save({ ...letters, parent: home })
    return [
      await trees.findTrees({ depth: 1 }),
      await trees.findDescendantsTree(home),
      await trees.findAncestors(docs),
    ]
  },
  'nested sets': async (source) => {
    const trees = source.getTreeRepository(Region)
    const europe = await trees.findOneByOrFail({ name: 'europe' })
    await trees.save({ name: 'italy', parent: europe })
    await trees.remove(await trees.findOneByOrFail({ name: 'england' }))
    return [
      await trees.findTrees(),
      await trees.findDescendants(europe),
      await trees.countAncestors(europe),
    ]
  },
  'entity schemas': async (source) => {
    const cities = source.getRepository(CitySchema)
    const saved = await cities.save({ title: 'Turin', country: { code: 'IT', name: 'Italy' } })
    await cities.delete({ country: IsNull() })
    return [saved, await cities.findBy({ country: { name: 'Italy' } }), await cities.count()]
  },
  'active records': async (source) => {
    Note.useDataSource(source)
    const note = Note.create({ title: 'three' })
    await note.save()
    await note.reload()
    await Note.update({ title: 'one' }, { pages: 9 })
    const [found, count] = await Note.findAndCount({ order: { id: 'ASC' } })
    await note.remove()
    return [
      note,
      found,
      count,
      await Note.createQueryBuilder('note').getCount(),
      await Note.countBy({ pages: 9 }),
    ]
  },
  'custom repositories': async (source) => {
    const extended = tags(source).extend({
      heavy(this: Repository<Tag>) {
        return this.createQueryBuilder('tag').where('tag.weight > 1').getMany()
      },
    })
    const inside = await source.transaction(async (manager) => {
      const repository = manager.withRepository(extended)
      await repository.insert({ name: 'lead', weight: 8 })
      return repository.heavy()
    })
    class TagRepository extends Repository<Tag> {
      names() {
        return this.find({ select: { name: true }, order: { name: 'ASC' } })
      }
    }
    return [await extended.heavy(), inside, await new TagRepository(Tag, source.manager).names()]
  },
}

export const sessions: Behaviours = {
  'a transaction that commits': (source) =>
    source.transaction('SERIALIZABLE', async (manager) => {
      await manager.insert(Tag, { name: 'in' })
      return manager.find(Tag, { order: { name: 'ASC' } })
    }),
  'fails and rolls back': async (source) => {
    const failed = source.transaction(async (manager) => {
      await manager.save(tags(manager).create({ name: 'gone' }))
      throw new TypeError('of the application')
    })
    const error = await failed.catch((caught: unknown) => caught)
    if (await tags(source).existsBy({ name: 'gone' })) return 'not rolled back'
    throw error
  },
  'a transaction in a transaction': (source) =>
    source.transaction(async (outer) => {
      await outer.insert(Tag, { name: 'outer' })
      const inner = outer.transaction(async (manager) => {
        await manager.insert(Tag, { name: 'inner' })
        throw new Error('inner')
      })
      await inner.catch(() => {})
      return outer.countBy(Tag, { weight: 0 })
    }),
  'a query runner of its own': async (source) => {
    const runner = source.createQueryRunner()
    await runner.connect()
    await runner.startTransaction('READ COMMITTED')
    const book = await runner.manager.findOneByOrFail(Book, { id: 1 })
    book.pages = 1
    await runner.manager.save(book)
    const seen = await runner.manager.createQueryBuilder(Book, 'b').select('b.pages').getMany()
    await runner.rollbackTransaction()
    const states = [runner.isTransactionActive, runner.isReleased]
    await runner.release()
    return [seen, states, await source.getRepository(Book).findOneBy({ id: 1 })]
  },
  'managers and repositories': async (source) => {
    const manager = source.createEntityManager()
    const repository = source.getRepository(Tag)
    return [
      manager instanceof EntityManager,
      source.manager.getRepository(Tag) === repository,
      repository.target,
      repository.metadata.columns.map(({ propertyPath, type }) => [propertyPath, type]),
      await manager.findBy(Tag, { weight: 1 }),
      await manager.query('SELECT 1 AS one'),
      await source.query('SELECT $1::int AS one', [1]),
    ]
  },
  'fails for a class that is no entity': async (source) =>
    source.getRepository(class Stranger {}).find(),
  'many statements at once': async (source) => {
    const found = Array.from({ length: 20 }, (_, id) =>
      source.getRepository(Author).findOneBy({ id }),
    )
    return (await Promise.all(found)).map((author) => author?.name)
  },
}

/** The tables of the plain entities and of TypeORM itself: what synchronize made, column by column. */
const columnsInDatabase = (source: DataSource) => {
  const names = plainEntities.length
  return source.query(
    `SELECT table_name, column_name, data_type, is_nullable, column_default, $1::int AS n
      FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '^(mortise|secret)'
      ORDER BY table_name, ordinal_position`,
    [names],
  )
}

export const schemas: Behaviours = {
  'the schema in the database': columnsInDatabase,
  'constraints and indexes': (source) =>
    source.query(
      `SELECT conrelid::regclass::text AS table, conname, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
          AND conrelid::regclass::text !~ '^(mortise|secret)' ORDER BY 1, 2`,
    ),
  'metadata of plain entities': async (source) =>
    source.entityMetadatas
      .filter(({ name }) => name !== 'Secret')
      .map((metadata) => [
        metadata.name,
        metadata.tablePath,
        metadata.columns.map(({ propertyPath, databaseName, isSelect }) => [
          propertyPath,
          databaseName,
          isSelect,
        ]),
        metadata.relations.map(({ propertyPath, relationType }) => [propertyPath, relationType]),
        metadata.indices.map(({ name }) => name),
      ]),
  'migrations: show, run, revert': async (source) => {
    const before = await source.showMigrations()
    const ran = await source.runMigrations({ transaction: 'each' })
    const shelf = await source.query('SELECT * FROM shelf')
    await source.undoLastMigration()
    const after = await source.query('SELECT * FROM shelf')
    await source.undoLastMigration()
    return [before, ran.map(({ name }) => name), shelf, after]
  },
  'no migration to generate': async (source) => {
    const { upQueries, downQueries } = await source.driver.createSchemaBuilder().log()
    return [upQueries, downQueries]
  },
  'a migration to generate, and synchronize': async (source) => {
    await source.query('ALTER TABLE book DROP COLUMN ages, ALTER COLUMN title DROP NOT NULL')
    const { upQueries, downQueries } = await source.driver.createSchemaBuilder().log()
    await source.synchronize()
    const left = await source.driver.createSchemaBuilder().log()
    return [upQueries, downQueries, left.upQueries, await columnsInDatabase(source)]
  },
  'starting again': async (source) => {
    await source.destroy()
    const closed = source.isInitialized
    await source.initialize()
    return [closed, await source.getRepository(Book).count()]
  },
  'fails to start twice': (source) => source.initialize(),
  'dropping everything': async (source) => {
    await source.synchronize(true)
    return [await source.getRepository(Book).count(), await columnsInDatabase(source)]
  },
}
