import { type DataSource, In, LessThan } from 'typeorm'
import type { Behaviours } from './behaviour'
import { Author, Book, Edition, Profile, Tag } from './entities'

const authors = (source: DataSource) => source.getRepository(Author)
const books = (source: DataSource) => source.getRepository(Book)
const tags = (source: DataSource) => source.getRepository(Tag)

const everyBook = (source: DataSource) =>
  books(source).find({ relations: { author: true, tags: true, editions: true }, order: { id: 1 } })

export const saves: Behaviours = {
  'saves a new entity with everything below it': async (source) => {
    const author = authors(source).create({
      name: 'Emmy',
      profile: { motto: 'rings' },
      books: [{ title: 'Ideals', pages: 40, tags: [{ name: 'rings' }], editions: [{ number: 1 }] }],
    })
    const saved = await authors(source).save(author)
    return [saved === author, saved, await everyBook(source)]
  },
  'saves many in chunks': async (source) =>
    tags(source).save(
      Array.from({ length: 5 }, (_, weight) => ({ name: `t${weight}`, weight })),
      { chunk: 2 },
    ),
  'saves plain objects and entities together': (source) =>
    source.manager.save([
      source.manager.create(Tag, { name: 'new' }),
      source.manager.create(Author, { name: 'Rosa' }),
    ]),
  'saves an unchanged entity without an UPDATE': async (source) => {
    const author = await authors(source).findOneByOrFail({ name: 'Ada' })
    return authors(source).save(author)
  },
  'saves every kind of changed column': async (source) => {
    const author = await authors(source).findOneByOrFail({ name: 'Ada' })
    author.nicknames = null
    author.languages = ['it']
    author.settings = { theme: 'light', size: 2 }
    author.portrait = Buffer.from([0, 255])
    author.copies = '1'
    author.income = '7.25'
    author.isPublic = false
    author.birthDate = '1815-12-11'
    author.seenAt = new Date('1852-11-28T00:00:00Z')
    author.address.position.lat = null
    await authors(source).save(author)
    return authors(source).findOneBy({ id: author.id })
  },
  'saves a changed JSON document and arrays': async (source) => {
    const book = await books(source).findOneByOrFail({ title: 'Notes' })
    book.meta = { ...book.meta, extra: [1, null, 'x'] }
    book.genres.push('history')
    book.ratings = []
    await books(source).save(book)
    return books(source).findOneBy({ id: book.id })
  },
  'saves a part, by its id': async (source) => {
    const saved = await authors(source).save({ id: 1, state: 'retired' })
    return [saved, await authors(source).findOneBy({ id: 1 })]
  },
  'saves twice what was only partly selected': async (source) => {
    const [author] = await authors(source).find({ select: { id: true, name: true }, take: 1 })
    if (!author) throw new Error('no author')
    author.name = 'Augusta'
    await authors(source).save(author)
    await authors(source).save({ ...author, name: 'Ada Augusta' })
    return source.query('SELECT * FROM author ORDER BY id')
  },
  'saves with options': async (source) => {
    const author = authors(source).create({ name: 'Lise' })
    await authors(source).save(author, { listeners: false, transaction: false, data: { by: 'me' } })
    author.name = 'Lise M'
    return authors(source).save(author, { reload: false })
  },
  'leaves out a column that is not updated': async (source) => {
    await authors(source).save({ id: 1, cohort: 9, state: 'x' })
    return authors(source).findOneBy({ id: 1 })
  },
  'saves a many-to-many list: adds, removes, creates': async (source) => {
    const book = await books(source).findOneOrFail({ where: { id: 1 }, relations: { tags: true } })
    book.tags = [...book.tags.slice(1), tags(source).create({ name: 'fresh' })]
    await books(source).save(book)
    return everyBook(source)
  },
  'deletes orphans': async (source) => {
    const author = await authors(source).findOneOrFail({
      where: { id: 1 },
      relations: { books: true },
    })
    author.books = author.books.slice(0, 1)
    await authors(source).save(author)
    return everyBook(source)
  },
  'sets and clears a many-to-one': async (source) => {
    const author = await authors(source).findOneByOrFail({ name: 'Alan' })
    author.mentor = authors(source).findOneByOrFail({ name: 'Grace' })
    await author.mentor
    await authors(source).save(author)
    const changed = await authors(source).findOneByOrFail({ name: 'Alan' })
    author.mentor = Promise.resolve(null)
    await authors(source).save(author)
    return [changed.mentorId, await authors(source).findOneByOrFail({ name: 'Alan' })]
  },
  'changes a one-to-one in cascade': async (source) => {
    const author = await authors(source).findOneByOrFail({ id: 1 })
    if (author.profile) author.profile.motto = 'changed'
    await authors(source).save(author)
    author.profile = null
    await authors(source).save(author)
    return [await authors(source).findOneBy({ id: 1 }), await source.getRepository(Profile).find()]
  },
  'saves a composite key': async (source) => {
    const editions = source.getRepository(Edition)
    await editions.save([
      { bookId: 2, number: 1, year: 1900 },
      { bookId: 1, number: 2, year: 2000 },
    ])
    return editions.find({ order: { bookId: 'ASC', number: 'ASC' } })
  },
  'merges, preloads and creates': async (source) => {
    const merged = authors(source).merge(authors(source).create({ name: 'x' }), { state: 'y' })
    const preloaded = await authors(source).preload({ id: 2, state: 'preloaded' })
    const missing = await authors(source).preload({ id: 99, state: 'preloaded' })
    return [merged, preloaded, missing, await authors(source).save(preloaded as Author)]
  },
  'knows ids': async (source) => {
    const edition = source.getRepository(Edition).create({ bookId: 1, number: 2 })
    const { manager } = source
    return [authors(source).hasId(authors(source).create()), manager.getId(edition)]
  },
  'fails on a duplicate': (source) => authors(source).save({ name: 'Ada' }),
  'fails on NULL where there must be a value': (source) => books(source).save({ title: 'x' }),
  'fails on a check': (source) => authors(source).save({ name: '' }),
  'fails with bytes among its parameters': (source) =>
    authors(source).insert({ name: 'Ada', portrait: Buffer.from('bytes') }),
  'fails on a foreign key': (source) =>
    source.getRepository(Edition).insert({ bookId: 99, number: 1 }),
  'fails on a value that PostgreSQL does not take': (source) =>
    books(source).save({ title: 'x', pages: 'many' as never }),
  'fails on a property that does not exist': (source) =>
    authors(source).update({ id: 1 }, { nothing: 1 } as never),
  'fails in the middle of a graph and rolls back': async (source) => {
    const author = authors(source).create({ name: 'Emmy', books: [{ title: 'x' }] })
    const error = await authors(source)
      .save(author)
      .catch((caught: unknown) => caught)
    if (await authors(source).existsBy({ name: 'Emmy' })) return 'not rolled back'
    throw error
  },
}

export const statements: Behaviours = {
  'inserts one and many': async (source) => [
    await authors(source).insert({ name: 'Emmy', profile: null }),
    await tags(source).insert([{ name: 'a' }, { name: 'b', weight: 3 }]),
    await books(source).insert({ title: 'x', pages: 1, author: { id: 2 } }),
  ],
  'inserts SQL expressions': async (source) => {
    await authors(source).insert({ name: () => `upper('emmy')` })
    return authors(source).findOneBy({ name: 'EMMY' })
  },
  'updates by id, ids and criteria': async (source) => [
    await authors(source).update(1, { state: 'a' }),
    await authors(source).update([1, 2], { state: 'b' }),
    await authors(source).update({ name: In(['Grace', 'Alan']) }, { state: 'c', password: 'p' }),
    await books(source).update({ pages: LessThan(100) }, { author: { id: 2 }, meta: { a: 1 } }),
    await books(source).update({ title: 'none' }, { pages: () => 'pages + 1' }),
    await everyBook(source),
  ],
  'fails to update without criteria': (source) => authors(source).update({}, { state: 'x' }),
  'upserts by a conflict path': async (source) => [
    await authors(source).upsert({ name: 'Ada', state: 'upserted' }, ['name']),
    await tags(source).upsert([{ name: 'engine', weight: 7 }, { name: 'new' }], ['name']),
    await tags(source).upsert(
      { name: 'engine', weight: 7 },
      { conflictPaths: { name: true }, skipUpdateIfNoValuesChanged: true },
    ),
    await tags(source).find({ order: { name: 'ASC' } }),
  ],
  'fails to upsert without a matching constraint': (source) =>
    books(source).upsert({ title: 'Notes', pages: 1 }, ['title']),
  'counts up and down': async (source) => [
    await tags(source).increment({ name: 'engine' }, 'weight', 5),
    await tags(source).decrement({ name: 'numbers' }, 'weight', 3),
    await tags(source).find({ order: { name: 'ASC' } }),
  ],
  'fails to increment by text': (source) => tags(source).increment({}, 'weight', 'x'),
  'removes entities, with and without relations': async (source) => {
    const [first] = await books(source).findBy({ id: 1 })
    const removed = await books(source).remove(first as Book)
    await authors(source).remove(await authors(source).findBy({ name: In(['Ada', 'Alan']) }))
    return [removed, await everyBook(source)]
  },
  'deletes by id and criteria': async (source) => [
    await books(source).delete(3),
    await books(source).delete([1, 99]),
    await authors(source).delete({ name: 'Alan' }),
    await authors(source).delete({ address: { city: 'London' } }),
    await everyBook(source),
  ],
  'softly removes, recovers, deletes and restores': async (source) => {
    const author = await authors(source).findOneByOrFail({ id: 1 })
    await authors(source).softRemove(author)
    const hidden = await authors(source).find()
    const shown = await authors(source).find({ withDeleted: true, order: { id: 'ASC' } })
    await authors(source).recover(author)
    const deleted = await authors(source).softDelete({ name: 'Grace' })
    const restored = await authors(source).restore({ name: 'Grace' })
    return [hidden, shown, deleted, restored, await authors(source).find({ order: { id: 'ASC' } })]
  },
  'fails to soft-delete without a date column': (source) => tags(source).softDelete('engine'),
  'clears a table': async (source) => {
    await source.query('TRUNCATE edition, book_tag, book CASCADE')
    await source.getRepository(Edition).clear()
    return source.getRepository(Edition).count()
  },
}
