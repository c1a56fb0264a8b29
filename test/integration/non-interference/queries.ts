import { Brackets, type DataSource, In, NotBrackets } from 'typeorm'
import type { Behaviours } from './behaviour'
import { Author, Book, Tag } from './entities'

const bookQuery = (source: DataSource) =>
  source.getRepository(Book).createQueryBuilder('book').orderBy('book.id')
const authorQuery = (source: DataSource) =>
  source.getRepository(Author).createQueryBuilder('author').orderBy('author.id')

export const selects: Behaviours = {
  'where, andWhere, orWhere and parameters': (source) =>
    bookQuery(source)
      .where('book.title = :title', { title: 'Notes' })
      .andWhere('"book"."pages" > :pages')
      .orWhere({ title: In(['Letters']) })
      .setParameters({ pages: 10 })
      .getMany(),
  brackets: (source) =>
    bookQuery(source)
      .where(new Brackets((all) => all.where('book.pages < 100').orWhere('title = :t', { t: 'x' })))
      .andWhere(new NotBrackets((none) => none.where({ title: 'Letters' })))
      .getMany(),
  'an array of conditions': (source) =>
    bookQuery(source)
      .where([{ title: 'Notes' }, { pages: 250 }])
      .getMany(),
  ids: (source) => bookQuery(source).whereInIds([1, 3]).andWhereInIds([3]).getMany(),
  'joins of all kinds': async (source) => [
    await bookQuery(source)
      .innerJoinAndSelect('book.author', 'author', 'author.name = :name', { name: 'Ada' })
      .leftJoinAndSelect('book.tags', 'tag', 'tag.weight > 1')
      .leftJoinAndSelect('author.profile', 'profile')
      .getMany(),
    await authorQuery(source)
      .leftJoinAndMapMany('author.thick', 'author.books', 'thick', 'thick.pages > 100')
      .leftJoinAndMapOne(
        'author.first',
        Book,
        'first',
        'first."authorId" = author.id AND first.id = 1',
      )
      .getMany(),
    await bookQuery(source)
      .innerJoin(
        (query) => query.select('tag.name', 'name').from(Tag, 'tag').where('tag.weight > 1'),
        'heavy',
        `heavy.name = 'engine'`,
      )
      .addSelect('heavy.name', 'heavy')
      .getRawMany(),
  ],
  'relation ids and counts': async (source) => [
    await bookQuery(source).loadRelationIdAndMap('book.tagNames', 'book.tags').getMany(),
    await bookQuery(source).loadAllRelationIds().getMany(),
  ],
  'subqueries in every place': async (source) => [
    await bookQuery(source)
      .where((query) => {
        const longest = query.subQuery().select('MAX(b.pages)').from(Book, 'b').getQuery()
        return `book.pages = ${longest}`
      })
      .getMany(),
    await source
      .createQueryBuilder()
      .select('b.title', 'title')
      .addSelect('b.name', 'name')
      .from(
        (query) =>
          query
            .select(['book.title AS title', 'author.name AS name', 'book.pages AS pages'])
            .from(Book, 'book')
            .innerJoin('book.author', 'author'),
        'b',
      )
      .where('b.title <> :title AND b.pages > 1', { title: 'Letters' })
      .orderBy('b.name')
      .getRawMany(),
    await authorQuery(source)
      .addSelect(
        (query) => query.select('COUNT(*)').from(Book, 'b').where('b."authorId" = author.id'),
        'n',
      )
      .getRawAndEntities(),
    await authorQuery(source)
      .whereExists(source.createQueryBuilder(Book, 'b').where('b."authorId" = author.id'))
      .getMany(),
  ],
  'common table expressions': async (source) => [
    await source
      .createQueryBuilder()
      .addCommonTableExpression(
        source.createQueryBuilder(Book, 'book').select('book.title', 'title'),
        'listed',
      )
      .select('listed.title', 'title')
      .from('listed', 'listed')
      .where('listed.title <> :title', { title: 'Notes' })
      .orderBy('listed.title')
      .getRawMany(),
    await source
      .createQueryBuilder()
      .addCommonTableExpression(
        'SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 4',
        'numbers',
        {
          recursive: true,
          columnNames: ['n'],
        },
      )
      .select('n')
      .from('numbers', 'numbers')
      .getRawMany(),
    await bookQuery(source)
      .addCommonTableExpression(`SELECT 'Notes' AS title`, 'wanted')
      .where('book.title IN (SELECT title FROM wanted)')
      .getMany(),
  ],
  'groups and having': (source) =>
    source
      .createQueryBuilder(Book, 'book')
      .select('author.name', 'name')
      .addSelect('SUM(book.pages)', 'pages')
      .innerJoin('book.author', 'author')
      .groupBy('author.name')
      .addGroupBy('author.id')
      .having('SUM(book.pages) > :pages', { pages: 10 })
      .andHaving('COUNT(*) < 10')
      .orderBy('pages', 'DESC')
      .getRawMany(),
  distinct: async (source) => [
    await source
      .createQueryBuilder(Book, 'b')
      .select('b.status')
      .distinct(true)
      .orderBy('b.status')
      .getRawMany(),
    await source
      .createQueryBuilder(Book, 'b')
      .distinctOn(['b.status'])
      .orderBy('b.status')
      .addOrderBy('b.pages', 'DESC')
      .getMany(),
  ],
  'pages with and without joins': async (source) => [
    await bookQuery(source).skip(1).take(1).getMany(),
    await bookQuery(source).leftJoinAndSelect('book.tags', 'tag').skip(0).take(2).getManyAndCount(),
    await bookQuery(source).leftJoinAndSelect('book.tags', 'tag').limit(2).offset(1).getMany(),
    await authorQuery(source)
      .leftJoinAndSelect('author.books', 'book')
      .orderBy('book.title', 'DESC', 'NULLS LAST')
      .take(2)
      .getMany(),
  ],
  'order by expressions': (source) =>
    source
      .createQueryBuilder(Book, 'book')
      .addSelect('book.pages % 100', 'rest')
      .orderBy('rest', 'DESC')
      .addOrderBy('LENGTH(book.title)', 'ASC', 'NULLS FIRST')
      .getMany(),
  'raw results': async (source) => [
    await bookQuery(source).getRawOne(),
    await bookQuery(source).select(['book.title', 'book.meta']).getRawMany(),
    await bookQuery(source)
      .select('book.title', 'title')
      .addSelect('book.pages * 2', 'twice')
      .getRawMany(),
    await bookQuery(source).leftJoinAndSelect('book.author', 'author').getRawAndEntities(),
  ],
  'counts and exists': async (source) => [
    await bookQuery(source).leftJoin('book.tags', 'tag').where('tag.name IS NOT NULL').getCount(),
    await bookQuery(source).where({ title: 'Notes' }).getExists(),
    await bookQuery(source).getOne(),
  ],
  'fails to find one': (source) => bookQuery(source).where('book.pages = 0').getOneOrFail(),
  'fails on SQL that is wrong': (source) => bookQuery(source).where('book.nothing = 1').getMany(),
  'fails on a missing alias': (source) => bookQuery(source).leftJoin('other.tags', 't').getMany(),
  'hidden columns and partial selection': (source) =>
    authorQuery(source)
      .select(['author.id', 'author.address.city'])
      .addSelect('author.password')
      .getMany(),
  'deleted rows': async (source) => {
    await source.getRepository(Author).softDelete(2)
    return [
      await authorQuery(source).getCount(),
      await authorQuery(source).withDeleted().getCount(),
    ]
  },
  locks: (source) =>
    source.transaction(async (manager) => [
      await manager
        .createQueryBuilder(Tag, 't')
        .setLock('pessimistic_write')
        .setOnLocked('skip_locked')
        .getMany(),
      await manager
        .createQueryBuilder(Book, 'b')
        .innerJoinAndSelect('b.author', 'a')
        .setLock('pessimistic_read', undefined, ['b'])
        .getMany(),
    ]),
  'the cache': async (source) => {
    const query = () => bookQuery(source).where('book.title = :t', { t: 'Notes' }).cache(true)
    const first = await query().getMany()
    await source.query(`UPDATE book SET pages = 1`)
    return [
      first,
      await query().getMany(),
      await query().cache(false).getCount(),
      await query().getManyAndCount(),
    ]
  },
  'clones and SQL': async (source) => {
    const query = bookQuery(source).where({ title: 'Notes' }).leftJoin('book.tags', 'tag')
    const clone = query.clone().andWhere('tag.name = :tag', { tag: 'engine' })
    return [
      query.getQuery(),
      clone.getSql(),
      clone.getQueryAndParameters(),
      clone.getParameters(),
      await clone.getMany(),
    ]
  },
  'relations as queries': async (source) => {
    const tagsOf = source.createQueryBuilder().relation(Book, 'tags').of(2)
    await tagsOf.addAndRemove('numbers', 'engine')
    const authorOf = source.createQueryBuilder().relation(Book, 'author').of({ id: 3 })
    const before = await authorOf.loadOne()
    await authorOf.set(1)
    const books = source.createQueryBuilder().relation(Author, 'books').of(2)
    await books.add(2)
    await books.remove(2)
    return [await tagsOf.loadMany(), before, await authorOf.loadOne(), await books.loadMany()]
  },
  streams: async (source) => {
    const rows: unknown[] = []
    const read = async (stream: AsyncIterable<unknown>) => {
      for await (const row of stream) rows.push(row)
    }
    await read(await bookQuery(source).where('book.pages > :pages', { pages: 100 }).stream())
    const runner = source.createQueryRunner()
    await read(await runner.stream('SELECT title FROM book WHERE id = $1', [1]))
    await runner.release()
    return rows
  },
  'a plain SQL query': (source) =>
    source.query('SELECT title, pages FROM book WHERE pages > $1 ORDER BY id', [100]),
}

export const writers: Behaviours = {
  'INSERT with RETURNING': async (source) => {
    const insert = source.createQueryBuilder().insert().into(Book)
    const values = { title: 'x', pages: 3, genres: ['a'], meta: { b: 1 }, author: { id: 1 } }
    return insert
      .values([values, { title: () => `lower('Y')`, pages: 4 }])
      .returning(['id', 'title'])
      .execute()
  },
  'INSERT … ON CONFLICT': async (source) => [
    await source
      .createQueryBuilder()
      .insert()
      .into(Tag)
      .values({ name: 'engine' })
      .orIgnore()
      .execute(),
    await source
      .createQueryBuilder()
      .insert()
      .into(Tag)
      .values([{ name: 'engine', weight: 9 }])
      .orUpdate(['weight'], ['name'], { skipUpdateIfNoValuesChanged: true })
      .execute(),
    await source.getRepository(Tag).find({ order: { name: 'ASC' } }),
  ],
  'INSERT without values of its own': async (source) => {
    const tag = source.getRepository(Tag).create({ name: 'z' })
    await source.createQueryBuilder().insert().into('tag').values(tag).updateEntity(false).execute()
    return tag
  },
  UPDATE: async (source) => [
    await source
      .createQueryBuilder()
      .update(Book)
      .set({ title: () => 'upper(title)', meta: null, ratings: [1], author: { id: 2 } })
      .where('pages > :pages', { pages: 100 })
      .returning('*')
      .execute(),
    await source
      .createQueryBuilder(Author, 'a')
      .update()
      .set({ state: 's' })
      .whereInIds([1])
      .execute(),
    await source
      .createQueryBuilder()
      .update(Author)
      .set({ address: { city: 'Turin' } })
      .where({ name: 'Ada' })
      .orWhere('name = :name', { name: 'Alan' })
      .execute(),
    await source.getRepository(Author).find({ order: { id: 'ASC' } }),
    await bookQuery(source).getMany(),
  ],
  'DELETE, soft delete and restore': async (source) => [
    await source.createQueryBuilder().softDelete().from(Author).where({ name: 'Alan' }).execute(),
    await source
      .createQueryBuilder()
      .restore()
      .from(Author)
      .where('name = :n', { n: 'Alan' })
      .execute(),
    await source
      .createQueryBuilder()
      .delete()
      .from(Book)
      .where('pages < 100')
      .returning('title')
      .execute(),
    await source
      .createQueryBuilder(Book, 'b')
      .delete()
      .where(new Brackets((either) => either.where({ title: 'Letters' }).orWhere('id = 99')))
      .execute(),
    await bookQuery(source).getMany(),
  ],
  'fails to UPDATE nothing': (source) => source.createQueryBuilder().update(Book).set({}).execute(),
  'tables without an entity': async (source) => {
    await source.query('CREATE TABLE nobody (id int, title text)')
    await source.query(`INSERT INTO nobody VALUES (1, 'x'), (2, NULL)`)
    const query = source.createQueryBuilder().select('n.title', 'title').from('nobody', 'n')
    const rows = await query.where('n.title = :title', { title: 'x' }).getRawMany()
    await source.createQueryBuilder().delete().from('nobody').where('title IS NULL').execute()
    const left = await source.query('SELECT * FROM nobody')
    await source.query('DROP TABLE nobody')
    return [rows, left]
  },
}
