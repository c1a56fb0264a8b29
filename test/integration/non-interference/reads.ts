import {
  And,
  Any,
  ArrayContainedBy,
  ArrayContains,
  ArrayOverlap,
  Between,
  type DataSource,
  Equal,
  type FindManyOptions,
  ILike,
  In,
  IsNull,
  JsonContains,
  LessThan,
  LessThanOrEqual,
  Like,
  MoreThan,
  MoreThanOrEqual,
  Not,
  Or,
  Raw,
} from 'typeorm'
import type { Behaviours } from './behaviour'
import { Author, Book, Edition, Tag } from './entities'
import { AuthorFigures, CitySchema } from './more-entities'

const authors = (source: DataSource) => source.getRepository(Author)
const books = (source: DataSource) => source.getRepository(Book)

/** Finds books, in the order of their ids unless the options say otherwise. */
const bookFinder = (options: FindManyOptions<Book>) => (source: DataSource) =>
  books(source).find({ order: { id: 'ASC' }, ...options })

const authorFinder = (options: FindManyOptions<Author>) => (source: DataSource) =>
  authors(source).find({ order: { id: 'ASC' }, ...options })

export const conditions: Behaviours = {
  'a value': bookFinder({ where: { title: 'Notes' } }),
  Equal: bookFinder({ where: { title: Equal('Notes') } }),
  Not: bookFinder({ where: { title: Not('Notes'), pages: Not(In([1, 2])) } }),
  'In and an empty In': async (source) => [
    await bookFinder({ where: { id: In([1, 3]) } })(source),
    await bookFinder({ where: { id: In([]) } })(source),
    await bookFinder({ where: { id: Not(In([])) } })(source),
  ],
  comparisons: async (source) => [
    await books(source).countBy({ pages: LessThan(120) }),
    await books(source).countBy({ pages: LessThanOrEqual(120) }),
    await books(source).countBy({ pages: MoreThan(120) }),
    await books(source).countBy({ pages: MoreThanOrEqual(120) }),
  ],
  Between: bookFinder({ where: { pages: Between(66, 120) } }),
  'Like and ILike': bookFinder({ where: [{ title: Like('Not%') }, { title: ILike('%LETT%') }] }),
  IsNull: bookFinder({ where: { meta: IsNull(), ratings: Not(IsNull()) } }),
  Any: bookFinder({ where: { title: Any(['Notes', 'Compilers']) } }),
  Raw: bookFinder({ where: { pages: Raw((name) => `${name} % 2 = :rest`, { rest: 0 }) } }),
  'And and Or': bookFinder({
    where: { pages: And(MoreThan(10), LessThan(200)), title: Or(Equal('Notes'), Like('L%')) },
  }),
  arrays: async (source) => [
    await bookFinder({ where: { genres: ArrayContains(['math']) } })(source),
    await bookFinder({ where: { genres: ArrayContainedBy(['math', 'letters', 'x']) } })(source),
    await bookFinder({ where: { ratings: ArrayOverlap([4, 9]) } })(source),
  ],
  JsonContains: bookFinder({ where: { meta: JsonContains({ language: 'en' }) } }),
  'an embedded object': authorFinder({ where: { address: { position: { lat: MoreThan(50) } } } }),
  'a transformer': authorFinder({ where: { nicknames: ['Countess', 'AAL'] as never } }),
  dates: authorFinder({
    where: { seenAt: LessThan(new Date('1900-01-01')), birthDate: Not('1815-12-09') },
  }),
  relations: async (source) => [
    await bookFinder({ where: { author: { name: 'Ada', profile: { motto: Like('poet%') } } } })(
      source,
    ),
    await bookFinder({ where: { author: { id: 2 } } })(source),
    await bookFinder({ where: { tags: { weight: MoreThan(1) } } })(source),
    await authorFinder({ where: { books: { tags: { name: 'numbers' } } } })(source),
  ],
  alternatives: bookFinder({
    where: [{ title: 'Notes', pages: 66 }, { author: { name: 'Grace' } }],
  }),
  'fails: an unknown property': bookFinder({ where: { nothing: 1 } as never }),
  'fails: a value of another type': bookFinder({ where: { pages: 'many' as never } }),
}

export const finders: Behaviours = {
  'all, and hidden columns': async (source) => [
    await authorFinder({})(source),
    await authorFinder({ select: { id: true, password: true } })(source),
  ],
  'relations by join': bookFinder({
    relations: { author: { books: true }, tags: true, editions: true },
    relationLoadStrategy: 'join',
    order: { id: 1, author: { books: { id: 1 } }, tags: { name: 1 } },
  }),
  'relations by query': bookFinder({
    relations: { author: { books: true }, tags: true, editions: true },
    relationLoadStrategy: 'query',
  }),
  'selected properties of relations': bookFinder({
    select: { id: true, title: true, author: { name: true, address: { city: true } } },
    relations: { author: true },
  }),
  'order by relations and embedded objects': bookFinder({
    relations: { author: true },
    order: {
      author: { address: { city: 'DESC' }, name: 'ASC' },
      pages: { direction: 'DESC', nulls: 'LAST' },
    },
  }),
  pages: async (source) => [
    await bookFinder({ skip: 1, take: 1 })(source),
    await bookFinder({
      relations: { tags: true, author: true },
      order: { pages: 'DESC' },
      take: 2,
    })(source),
    await books(source).findAndCount({
      relations: { tags: true },
      take: 1,
      skip: 1,
      order: { id: 1 },
    }),
    await books(source).findAndCount({ where: { author: { name: 'Ada' } }, take: 5 }),
  ],
  'one or none': async (source) => [
    await authors(source).findOne({ where: { name: 'Grace' }, relations: { books: true } }),
    await authors(source).findOneBy({ name: 'Nobody' }),
    await authors(source).findOneOrFail({ where: { name: 'Ada' } }),
  ],
  'fails to find one': (source) => authors(source).findOneOrFail({ where: { name: 'Nobody' } }),
  'fails to find one by': (source) => authors(source).findOneByOrFail({ name: 'Nobody', id: 3 }),
  'fails to find one without a condition': (source) => authors(source).findOne({} as never),
  'lazy relations': async (source) => {
    const [, grace] = await authorFinder({})(source)
    const mentor = await grace?.mentor
    return [mentor, await mentor?.mentor]
  },
  'ids of relations': async (source) => [
    await bookFinder({ loadRelationIds: true })(source),
    await bookFinder({ loadRelationIds: { relations: ['tags'] } })(source),
    await bookFinder({ loadRelationIds: { relations: ['author'], disableMixedMap: true } })(source),
  ],
  'without eager relations': authorFinder({ loadEagerRelations: false }),
  'with a comment': bookFinder({ comment: 'from the battery' }),
  'with a lock': (source) =>
    source.transaction((manager) =>
      manager.find(Tag, { lock: { mode: 'pessimistic_write' }, order: { name: 'ASC' } }),
    ),
  'with a version lock': (source) =>
    authors(source).findOne({ where: { id: 1 }, lock: { mode: 'optimistic', version: 1 } }),
  'fails on another version': (source) =>
    authors(source).findOne({ where: { id: 1 }, lock: { mode: 'optimistic', version: 7 } }),
  'fails to lock outside of a transaction': (source) =>
    authors(source).findOne({ where: { id: 1 }, lock: { mode: 'pessimistic_read' } }),
  'from the cache': async (source) => {
    const options: FindManyOptions<Book> = { cache: { id: 'books', milliseconds: 60_000 } }
    const before = await bookFinder(options)(source)
    await books(source).update({ id: 1 }, { title: 'changed' })
    const cached = await bookFinder(options)(source)
    await source.queryResultCache?.remove(['books'])
    return [before, cached, await bookFinder(options)(source)]
  },
  'counts and exists': async (source) => [
    await books(source).count(),
    await books(source).count({ where: { tags: { name: 'engine' } } }),
    await books(source).countBy([{ title: 'Notes' }, { pages: 120 }]),
    await books(source).exists({ where: { author: { name: 'Grace' } } }),
    await books(source).existsBy({ title: 'none' }),
  ],
  aggregates: async (source) => [
    await books(source).sum('pages', { pages: MoreThan(100) }),
    await books(source).average('pages'),
    await books(source).minimum('pages'),
    await books(source).maximum('pages', { title: 'none' }),
  ],
  views: (source) =>
    source.getRepository(AuthorFigures).find({ where: { books: MoreThan(0) }, order: { id: 1 } }),
  'schemas without a class': (source) =>
    source.getRepository(CitySchema).find({ relations: { country: true }, order: { id: 'ASC' } }),
  'composite keys': (source) =>
    source.getRepository(Edition).find({
      where: [{ bookId: 1, number: 2 }, { book: { title: 'Letters' } }],
      relations: { book: true },
    }),
  'virtual columns': authorFinder({ select: { id: true, name: true, bookCount: true } }),
}
