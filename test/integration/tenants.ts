import 'reflect-metadata'
import {
  Column,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  Unique,
  VersionColumn,
} from 'typeorm'
import { Encrypted } from '../../src/typeorm'

class Address {
  @Encrypted({ type: 'string', subject: 'tenantId', nullable: true }) street!: string | null
  @Column('text', { nullable: true }) city!: string | null
}

@Entity()
export class Tenant {
  @PrimaryColumn('uuid') id!: string
  @Column('text') name!: string
  @OneToMany('Member', 'tenant', { cascade: true }) members!: Member[]
}

/** Two subjects and a field without one, in one row. */
@Entity()
@Unique('note_tenant_slug', ['tenantId', 'slug'])
export class Note {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Column('text') slug!: string
  @Column('text', { nullable: true }) tenantId!: string | null
  @Column('bigint', { nullable: true }) authorId!: string | null
  @Encrypted({ type: 'string', subject: 'tenantId', exact: true, range: { prefix: 2 } })
  title!: string
  @Encrypted({ type: 'json', subject: 'tenantId', nullable: true }) body!: object | null
  @Encrypted({ type: 'number', subject: 'authorId', range: { step: 10 }, nullable: true })
  score!: number | null
  @Encrypted({ type: 'string', exact: true }) label!: string
  @Column(() => Address) address!: Address
  @VersionColumn() version!: number
}

/** The subject is a relation without a property for its join column. */
@Entity()
export class Member {
  @PrimaryGeneratedColumn('uuid') id!: string
  @ManyToOne('Tenant', 'members', { nullable: true }) tenant!: Tenant | null
  @Encrypted({ type: 'string', subject: 'tenant', exact: true }) email!: string
  @Encrypted({ type: 'string', subject: 'tenant', nullable: true }) phone!: string | null
}

/** Every row is its own subject. */
@Entity()
export class Person {
  @PrimaryGeneratedColumn('uuid') id!: string
  @Encrypted({ type: 'string', subject: 'id', exact: true }) name!: string
  @OneToMany('Visit', 'person') visits!: Promise<Visit[]>
}

@Entity()
export class Visit {
  @PrimaryColumn('int') id!: number
  @Column('uuid') ownerId!: string
  @Column('uuid', { nullable: true }) personId!: string | null
  @ManyToOne('Person', 'visits') person!: Person | null
  @Encrypted({ type: 'string', subject: 'ownerId', select: false }) reason!: string
  @Encrypted({ type: 'string', subject: 'person', nullable: true }) note!: string | null
}

/** Neither the subject nor one of its values may change. */
@Entity()
export class Entry {
  @PrimaryColumn('int') id!: number
  @Column({ type: 'text', update: false }) fixedTo!: string
  @Column('text') movedTo!: string
  @Encrypted({ type: 'string', subject: 'fixedTo' }) text!: string
  @Encrypted({ type: 'string', subject: 'movedTo', update: false }) stamp!: string
}
