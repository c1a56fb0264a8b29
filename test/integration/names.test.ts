import 'reflect-metadata'
import { Entity, ManyToOne, PrimaryColumn } from 'typeorm'
import { expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { setUp } from './people'

@Entity()
class Note {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true, range: { prefix: 1 } }) note!: string
  @ManyToOne('Note', { nullable: true }) parent!: Note | null
}

// In SQL text the name of such a table is no reference to its column.
it('a property may have the name of its table, and of its alias', async () => {
  const database = await createDatabase()
  const { dataSource } = await setUp(database.url, [Note])
  const notes = dataSource.getRepository(Note)
  await notes.save({ id: 1, note: 'x' })
  await notes.save({ id: 2, note: 'z', parent: { id: 1 } })
  expect(await notes.findBy({ note: 'x' })).toMatchObject([{ id: 1, note: 'x' }])
  expect(await notes.find({ order: { note: 'DESC' }, take: 1 })).toMatchObject([{ id: 2 }])
  expect(await notes.findBy({ parent: { note: 'x' } })).toMatchObject([{ id: 2, note: 'z' }])
  expect(await notes.update({ note: 'x' }, { note: 'y' })).toMatchObject({ affected: 1 })
  const found = notes.createQueryBuilder('note').where('note.note = :note', { note: 'y' })
  expect(await found.getMany()).toMatchObject([{ id: 1, note: 'y' }])
  const joined = notes.createQueryBuilder('n').innerJoinAndSelect('n.parent', 'note')
  expect(await joined.where({ note: 'z' }).getMany()).toMatchObject([{ parent: { note: 'y' } }])
  expect(await notes.delete({ note: 'z' })).toMatchObject({ affected: 1 })
  await dataSource.destroy()
  await database.drop()
})
