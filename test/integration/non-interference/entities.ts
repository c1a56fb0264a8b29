import 'reflect-metadata'
import {
  AfterInsert,
  AfterLoad,
  AfterRemove,
  AfterUpdate,
  BeforeInsert,
  BeforeUpdate,
  Check,
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  Generated,
  Index,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  OneToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  RelationId,
  Unique,
  UpdateDateColumn,
  VersionColumn,
  VirtualColumn,
} from 'typeorm'

// The plain entities of the battery: every kind of column and relation that TypeORM has on PostgreSQL,
// each with explicit types.

class Position {
  @Column('float', { nullable: true }) lat!: number | null
  @Column('float', { nullable: true }) lon!: number | null
}

export class Address {
  @Column('text', { nullable: true }) city!: string | null
  @Column('text', { nullable: true }) street!: string | null
  @Column(() => Position) position!: Position
}

@Entity()
export class Profile {
  @PrimaryGeneratedColumn('uuid') id!: string
  @Column('text') motto!: string
  @OneToOne('Author', 'profile') author!: unknown
}

@Entity()
@Unique('author_name_unique', ['name'])
@Check('author_name_check', `"name" <> ''`)
export class Author {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') name!: string
  @Column('text', { nullable: true, select: false }) password!: string | null
  @Column('text', { default: 'active' }) state!: string
  @Column(() => Address) address!: Address
  @Column('text', {
    nullable: true,
    transformer: {
      to: (value?: string[] | null) => value?.join('|') ?? null,
      from: (value: string | null) => value?.split('|') ?? null,
    },
  })
  nicknames!: string[] | null
  @Column('simple-array', { nullable: true }) languages!: string[] | null
  @Column('simple-json', { nullable: true }) settings!: object | null
  @Column('bytea', { nullable: true }) portrait!: Buffer | null
  @Column('bigint', { default: 0 }) copies!: string
  @Column('numeric', { precision: 10, scale: 2, nullable: true }) income!: string | null
  @Column('boolean', { default: true }) isPublic!: boolean
  @Column('date', { nullable: true }) birthDate!: string | null
  @Column('timestamptz', { nullable: true }) seenAt!: Date | null
  @Column({ type: 'int', nullable: true, update: false }) cohort!: number | null
  @VirtualColumn({
    query: (alias) => `SELECT COUNT("id")::int FROM "book" WHERE "authorId" = ${alias}.id`,
  })
  bookCount!: number
  @VersionColumn() version!: number
  @CreateDateColumn() createdAt!: Date
  @UpdateDateColumn() updatedAt!: Date
  @DeleteDateColumn() deletedAt!: Date | null
  @OneToOne('Profile', 'author', { cascade: ['insert', 'update'], eager: true, nullable: true })
  @JoinColumn()
  profile!: Profile | null
  @OneToMany('Book', 'author', { cascade: true }) books!: Book[]
  @ManyToOne('Author', { nullable: true, lazy: true }) mentor!: Promise<Author | null>
  @RelationId((author: Author) => author.mentor) mentorId!: number | null

  heard?: string[]
  label?: string
  @BeforeInsert() beforeInsert(): void {
    this.heard = [...(this.heard ?? []), 'before insert']
  }
  @AfterInsert() afterInsert(): void {
    this.heard = [...(this.heard ?? []), 'after insert']
  }
  @BeforeUpdate() beforeUpdate(): void {
    this.heard = [...(this.heard ?? []), 'before update']
  }
  @AfterUpdate() afterUpdate(): void {
    this.heard = [...(this.heard ?? []), 'after update']
  }
  @AfterRemove() afterRemove(): void {
    this.heard = [...(this.heard ?? []), 'after remove']
  }
  @AfterLoad() async afterLoad(): Promise<void> {
    this.label = `${this.name} of ${this.address?.city}`
  }
}

@Entity()
@Index(['title', 'pages'])
export class Book {
  @PrimaryGeneratedColumn() id!: number
  @Column('text') title!: string
  @Column('int') pages!: number
  @Column('text', { array: true, default: '{}' }) genres!: string[]
  @Column('int', { array: true, nullable: true }) ratings!: number[] | null
  @Column('jsonb', { nullable: true }) meta!: Record<string, unknown> | null
  @Column({ type: 'enum', enum: ['draft', 'printed', 'sold'], default: 'draft' }) status!: string
  @Column('int4range', { nullable: true }) ages!: string | null
  @Column() @Generated('uuid') isbn!: string
  @Column() @Generated('increment') serial!: number
  @ManyToOne('Author', 'books', { onDelete: 'CASCADE', orphanedRowAction: 'delete' })
  author!: Author
  @RelationId((book: Book) => book.author) writer!: number
  @ManyToMany('Tag', 'books', { cascade: true })
  @JoinTable({ name: 'book_tag' })
  tags!: Tag[]
  @OneToMany('Edition', 'book', { cascade: ['insert', 'update'] }) editions!: Edition[]
}

@Entity()
export class Tag {
  @PrimaryColumn('text') name!: string
  @Column('int', { default: 0 }) weight!: number
  @ManyToMany('Book', 'tags') books!: Book[]
}

/** A composite primary key, half of it a relation. */
@Entity()
export class Edition {
  @PrimaryColumn('int') bookId!: number
  @PrimaryColumn('int') number!: number
  @Column('int', { nullable: true }) year!: number | null
  @ManyToOne('Book', 'editions', { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'bookId' })
  book!: Book
}
