import 'reflect-metadata'
import {
  BaseEntity,
  ChildEntity,
  Column,
  Entity,
  EntitySchema,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  ViewColumn,
  ViewEntity,
} from 'typeorm'
import { Encrypted } from '../../../src/typeorm'
import { Author, Book, Edition, Profile, Tag } from './entities'

// Inheritance, trees, views, schemas, active records; and the encrypted neighbour.

@Entity()
@TableInheritance({ column: { type: 'text', name: 'kind' } })
export class Content {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') title!: string
  @OneToMany('Remark', 'content', { cascade: true }) remarks!: Remark[]
}

@ChildEntity()
export class Article extends Content {
  @Column('int') words!: number
}

@ChildEntity('picture')
export class Photo extends Content {
  @Column('int') width!: number
}

@Entity()
export class Remark {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') title!: string
  @ManyToOne('Content', 'remarks') content!: Content
}

@Entity()
@Tree('closure-table')
export class Category {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') name!: string
  @TreeParent() parent!: Category | null
  @TreeChildren({ cascade: true }) children!: Category[]
}

@Entity()
@Tree('materialized-path')
export class Folder {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') name!: string
  @TreeParent() parent!: Folder | null
  @TreeChildren({ cascade: true }) children!: Folder[]
}

@Entity()
@Tree('nested-set')
export class Region {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') name!: string
  @TreeParent() parent!: Region | null
  @TreeChildren() children!: Region[]
}

@ViewEntity({
  expression: (dataSource) =>
    dataSource
      .createQueryBuilder()
      .select('author.id', 'id')
      .addSelect('author.name', 'name')
      .addSelect('COUNT(book.id)::int', 'books')
      .addSelect('COALESCE(SUM(book.pages), 0)::int', 'pages')
      .from(Author, 'author')
      .leftJoin(Book, 'book', 'book."authorId" = author.id')
      .groupBy('author.id'),
})
export class AuthorFigures {
  @ViewColumn() id!: number
  @ViewColumn() name!: string
  @ViewColumn() books!: number
  @ViewColumn() pages!: number
}

export interface Country {
  code: string
  name: string
  cities?: City[]
}

export interface City {
  id: number
  title: string
  country?: Country
}

const CountrySchema = new EntitySchema<Country>({
  name: 'Country',
  columns: { code: { type: 'text', primary: true }, name: { type: 'text' } },
  relations: { cities: { type: 'one-to-many', target: 'City', inverseSide: 'country' } },
})

export const CitySchema = new EntitySchema<City>({
  name: 'City',
  columns: { id: { type: 'int', primary: true, generated: true }, title: { type: 'text' } },
  relations: {
    country: { type: 'many-to-one', target: 'Country', inverseSide: 'cities', cascade: true },
  },
  indices: [{ name: 'city_title', columns: ['title'] }],
})

@Entity()
export class Note extends BaseEntity {
  @PrimaryGeneratedColumn('identity') id!: number
  @Column('text') title!: string
  @Column('int', { default: 1 }) pages!: number
}

/** The encrypted neighbour. Its properties have the names of plain ones on purpose. */
@Entity()
export class Secret {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @Encrypted({ type: 'string', nullable: true }) title!: string | null
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) pages!: number | null
}

export const plainEntities = [
  ...[Author, Profile, Book, Tag, Edition, Content, Article, Photo, Remark, Category, Folder],
  ...[Region, AuthorFigures, CountrySchema, CitySchema, Note],
]
