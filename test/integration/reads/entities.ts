import 'reflect-metadata'
import {
  AfterLoad,
  ChildEntity,
  Column,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  OneToOne,
  PrimaryColumn,
  RelationId,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  VersionColumn,
  VirtualColumn,
} from 'typeorm'
import { Encrypted, type EncryptedOptions } from '../../../src/typeorm'

/** Declares one property: encrypted in one world, plain in the other. */
export type Declare = (options: EncryptedOptions) => PropertyDecorator

export const encrypted: Declare = (options) => Encrypted(options as never) as PropertyDecorator

/** The other way to store it: as text, bound to the row wherever its key allows that. */
export const boundText: Declare = (options) =>
  encrypted({ column: 'text', bindRow: true, ...options })

const PLAIN = { string: 'text', number: 'float8', json: 'json', date: 'date' } as const

export const plain: Declare = ({ type, nullable = false, select = true, name }) =>
  Column({ type: PLAIN[type as keyof typeof PLAIN], nullable, select, ...(name ? { name } : {}) })

/** The same entities twice, so that every answer can be compared with the one in clear. */
export function defineEntities(Field: Declare) {
  class Geo {
    @Field({ type: 'number', range: { step: 2 }, nullable: true }) lat!: number | null
    @Column('text', { nullable: true }) zone!: string | null
  }

  class Address {
    @Column('text', { nullable: true }) city!: string | null
    @Field({ type: 'string', exact: true, nullable: true }) street!: string | null
    @Column(() => Geo) geo!: Geo
  }

  @Entity()
  class Card {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) number!: string
  }

  @Entity()
  class Person {
    @PrimaryColumn('int') id!: number
    @Column('text') ward!: string
    @Field({ type: 'string', exact: true }) email!: string
    @Field({ type: 'number', range: { step: 10 }, nullable: true }) income!: number | null
    @Field({ type: 'string', exact: { bits: 8 }, range: { prefix: 2 }, nullable: true })
    surname!: string | null
    @Field({ type: 'json', nullable: true, name: 'free_text' }) chart!: { a: string[] } | null
    @Field({ type: 'string', exact: true, nullable: true, select: false }) hidden!: string | null
    @Column(() => Address) address!: Address
    @Column(() => Address, { prefix: 'work' }) work!: Address
    @VersionColumn() version!: number
    @DeleteDateColumn() deleted!: Date | null
    @OneToMany('Pet', 'owner') pets!: object[]
    @ManyToOne('Person', 'reports', { nullable: true }) boss!: object | null
    @OneToMany('Person', 'boss') reports!: object[]
    @ManyToMany('Tag', 'people') @JoinTable() tags!: object[]
    @OneToOne('Card', { eager: true, nullable: true }) @JoinColumn() card!: object | null
    @OneToMany('Memo', 'person', { lazy: true }) memos!: Promise<object[]>
    @OneToMany('Membership', 'person') memberships!: object[]
    @RelationId('boss') bossNumber!: number | null
    @OneToMany('Animal', 'keeper') animals!: object[]
    @ManyToOne('Club', { nullable: true })
    theClubThatThisPersonWouldLikeBestOfAllTheClubsInTown!: object | null
    @VirtualColumn({ query: (alias) => `SELECT ${alias}."id" + 1` }) next!: number
    seen!: string
    @AfterLoad() see() {
      this.seen = `${this.email} ${this.income} ${this.hidden} ${this.address?.street}`
    }
  }

  @Entity()
  class Pet {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) name!: string
    @Field({ type: 'number', range: { step: 5 }, nullable: true }) weight!: number | null
    @ManyToOne('Person', 'pets', { nullable: true }) owner!: object | null
  }

  @Entity()
  class Memo {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) text!: string
    @ManyToOne('Person', 'memos', { lazy: true }) person!: Promise<object>
  }

  @Entity()
  class Tag {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) label!: string
    @ManyToMany('Person', 'tags') people!: object[]
  }

  /** A join table with columns of its own, and a key of two columns. */
  @Entity()
  class Membership {
    @PrimaryColumn('int') personId!: number
    @PrimaryColumn('int') clubId!: number
    @Field({ type: 'string', exact: true, bindRow: false }) role!: string
    @Field({ type: 'number', range: { step: 10 }, bindRow: false }) fee!: number
    @ManyToOne('Person', 'memberships') person!: object
    @ManyToOne('Club', 'memberships') club!: object
  }

  @Entity()
  class Club {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) title!: string
    @OneToMany('Membership', 'club') memberships!: object[]
  }

  @Entity()
  @TableInheritance({ column: { type: 'varchar', name: 'kind' } })
  class Animal {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) name!: string
    @ManyToOne('Person', 'animals', { nullable: true }) keeper!: object | null
  }

  @ChildEntity()
  class Cat extends Animal {
    @Field({ type: 'number', range: { step: 5 }, nullable: true }) claws!: number | null
    @Field({ type: 'string', exact: true, nullable: true }) chip!: string | null
  }

  @ChildEntity()
  class Dog extends Animal {
    @Field({ type: 'string', exact: true, nullable: true }) bark!: string | null
    @Field({ type: 'string', exact: true, nullable: true }) chip!: string | null
  }

  abstract class Base {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'string', exact: true }) secret!: string
  }

  @Entity()
  class Left extends Base {
    @Field({ type: 'number', range: { step: 10 } }) own!: number
  }

  @Entity()
  class Right extends Base {
    @Column('int') plain!: number
  }

  const tree = (kind: 'closure-table' | 'materialized-path' | 'nested-set') => {
    class Node {
      @PrimaryColumn('int') id!: number
      @Field({ type: 'string', exact: true }) name!: string
      @Field({ type: 'number', range: { step: 10 } }) size!: number
      children!: object[]
      parent!: object | null
    }
    const name = `Node${kind.length}`
    Object.defineProperty(Node, 'name', { value: name })
    TreeChildren()(Node.prototype, 'children')
    TreeParent()(Node.prototype, 'parent')
    Reflect.defineMetadata('design:type', Object, Node.prototype, 'parent')
    Entity({ name: name.toLowerCase() })(Node)
    Tree(kind)(Node)
    return Node
  }

  @Entity({ orderBy: { rank: 'DESC' } })
  class Ranked {
    @PrimaryColumn('int') id!: number
    @Field({ type: 'number', range: { step: 10 } }) rank!: number
    @Field({ type: 'string', exact: true }) label!: string
    @ManyToOne('Ranked', 'lower', { nullable: true }) upper!: object | null
    @OneToMany('Ranked', 'upper') lower!: object[]
  }

  return {
    Ranked,
    ...{ Card, Person, Pet, Memo, Tag, Membership, Club, Animal, Cat, Dog, Left, Right },
    Closure: tree('closure-table'),
    Path: tree('materialized-path'),
    Nested: tree('nested-set'),
  }
}

export type Entities = ReturnType<typeof defineEntities>
