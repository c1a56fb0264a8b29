import type { DataSource } from 'typeorm'
import { Author, Book } from './entities'
import { Article, Category, CitySchema, Folder, Note, Photo, Region, Secret } from './more-entities'

/** Empties all tables and fills them with the same rows, so that no behaviour depends on another. */
export async function seed(source: DataSource): Promise<void> {
  const tables = source.entityMetadatas
    .filter(({ tableType }) => tableType !== 'view')
    .map(({ tablePath }) => `"${tablePath}"`)
  const all = new Set([...tables, '"query-result-cache"'])
  await source.query(`TRUNCATE ${[...all].join(', ')} RESTART IDENTITY CASCADE`)
  await seedBooks(source)
  await seedOthers(source)
  if (source.hasMetadata(Secret)) {
    const secret = { id: 1, name: 'Ada', title: 'Notes', pages: 66 }
    await source.getRepository(Secret).save(secret)
  }
}

async function seedBooks(source: DataSource): Promise<void> {
  const authors = source.getRepository(Author)
  const ada = await authors.save(
    authors.create({
      name: 'Ada',
      password: 'lace',
      address: { city: 'London', street: 'St James', position: { lat: 51.5, lon: -0.1 } },
      nicknames: ['Countess', 'AAL'],
      languages: ['en', 'fr'],
      settings: { theme: 'dark' },
      portrait: Buffer.from('portrait'),
      copies: '9007199254740993',
      income: '1234.50',
      birthDate: '1815-12-10',
      seenAt: new Date('1852-11-27T10:00:00Z'),
      cohort: 1,
      profile: { motto: 'poetical science' },
      books: [
        {
          title: 'Notes',
          pages: 66,
          genres: ['math', 'letters'],
          ratings: [5, 4],
          meta: { language: 'en', notes: ['A', 'G'] },
          status: 'printed',
          ages: '[10,20)',
          tags: [
            { name: 'engine', weight: 2 },
            { name: 'numbers', weight: 1 },
          ],
          editions: [
            { number: 1, year: 1843 },
            { number: 2, year: 1953 },
          ],
        },
        { title: 'Letters', pages: 120, genres: [], status: 'sold' },
      ],
    }),
  )
  const grace = await authors.save(
    authors.create({ name: 'Grace', address: { city: 'New York' }, mentor: Promise.resolve(ada) }),
  )
  await authors.save(authors.create({ name: 'Alan', state: 'hidden', isPublic: false }))
  await source
    .getRepository(Book)
    .save({ title: 'Compilers', pages: 250, author: grace, tags: [{ name: 'engine', weight: 2 }] })
}

async function seedOthers(source: DataSource): Promise<void> {
  const remarks = [{ title: 'good' }, { title: 'short' }]
  await source.getRepository(Article).save({ title: 'On engines', words: 900, remarks })
  await source.getRepository(Photo).save({ title: 'Engine', width: 640 })
  const children = [{ name: 'sql', children: [{ name: 'joins' }] }, { name: 'orm' }]
  await source.getRepository(Category).save({ name: 'databases', children })
  await source.getRepository(Folder).save({ name: 'home', children: [{ name: 'docs' }] })
  const world = await source.getRepository(Region).save({ name: 'world' })
  const europe = await source.getRepository(Region).save({ name: 'europe', parent: world })
  await source.getRepository(Region).save({ name: 'england', parent: europe })
  const country = { code: 'GB', name: 'Britain' }
  await source.getRepository(CitySchema).save([{ title: 'London', country }, { title: 'Atlantis' }])
  await source.getRepository(Note).save([{ title: 'one' }, { title: 'two', pages: 2 }])
}
