import 'reflect-metadata'
import {
  AfterLoad,
  BaseEntity,
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
  PrimaryGeneratedColumn,
  type Relation,
  RelationId,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  UpdateDateColumn,
  VersionColumn,
  ViewColumn,
  ViewEntity,
  VirtualColumn,
} from 'typeorm'
import { Encrypted } from '../../../src/typeorm'

export class Address {
  @Column('text', { nullable: true }) city!: string | null
  @Encrypted({ type: 'string', exact: true, nullable: true }) street!: string | null
}

@Entity()
export class Patient {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Column('int', { default: 0 }) visits!: number
  @Encrypted({ type: 'string', exact: { normalize: 'email', unique: true } }) email!: string
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'string', exact: { bits: 8 }, range: { prefix: 2 }, nullable: true })
  surname!: string | null
  @Encrypted({ type: 'json', nullable: true }) chart!: { allergies: string[] } | null
  @Encrypted({ type: 'string', exact: true, nullable: true, select: false }) hidden!: string | null
  @Column(() => Address) address!: Address
  @VersionColumn() version!: number
  @UpdateDateColumn() updated!: Date
  @DeleteDateColumn() deleted!: Date | null
  @OneToMany('Note', 'patient', { cascade: true }) notes!: Note[]
  @ManyToMany('Tag', { cascade: true })
  @JoinTable()
  tags!: Tag[]
  @OneToOne('Card', 'patient') card!: Relation<Card>
}

@Entity()
export class Note {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) text!: string
  @Encrypted({ type: 'number', range: { step: 5 }, nullable: true }) weight!: number | null
  @ManyToOne('Patient', 'notes', { nullable: true }) patient!: Patient | null
}

@Entity()
export class Tag {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) label!: string
}

@Entity()
export class Card {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) number!: string
  @OneToOne('Patient', 'card', { lazy: true }) @JoinColumn() patient!: Promise<Patient>
}

@Entity()
export class Account {
  @PrimaryColumn('int') id!: number
  @Column('text') branch!: string
  @Encrypted({ type: 'number', bindRow: true, range: { step: 10 } }) balance!: number
}

@Entity()
export class Counter {
  @PrimaryGeneratedColumn() id!: number
  @Encrypted({ type: 'string', exact: { unique: true } }) name!: string
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
export class Staff {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
}

@ChildEntity()
export class Doctor extends Staff {
  @Encrypted({ type: 'string', exact: true, nullable: true }) licence!: string | null
}

@ChildEntity()
export class Nurse extends Staff {
  @Encrypted({ type: 'string', exact: true, nullable: true }) licence!: string | null
}

abstract class Kept {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) secret!: string
}

@Entity()
export class Vault extends Kept {
  @Encrypted({ type: 'number', range: { step: 10 } }) weight!: number
}

@Entity({ orderBy: { rank: 'DESC' } })
export class Member {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @Encrypted({ type: 'number', range: { step: 10 } }) rank!: number
  @ManyToOne('Member', 'reports', { nullable: true }) boss!: Member | null
  @OneToMany('Member', 'boss') reports!: Member[]
  @OneToMany('Membership', 'member', { eager: true, cascade: true }) clubs!: Membership[]
  @RelationId('boss') bossId!: number | null
  @VirtualColumn({ query: (alias) => `SELECT ${alias}."id" + 1` }) next!: number
  greeting!: string
  @AfterLoad() greet() {
    this.greeting = `Dear ${this.name}`
  }
}

/** A join table with columns of its own, and a key of two columns. */
@Entity()
export class Membership {
  @PrimaryColumn('int') memberId!: number
  @PrimaryColumn('int') clubId!: number
  @Encrypted({ type: 'string', exact: true }) role!: string
  @ManyToOne('Member', 'clubs') member!: Relation<Member>
}

@Entity()
export class Active extends BaseEntity {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) secret!: string
}

@Entity()
@Tree('closure-table')
export class Closure {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @TreeChildren({ cascade: true }) children!: Closure[]
  @TreeParent() parent!: Closure | null
}

@Entity()
@Tree('materialized-path')
export class Path {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @TreeChildren({ cascade: true }) children!: Path[]
  @TreeParent() parent!: Path | null
}

@Entity()
@Tree('nested-set')
export class Nested {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @TreeChildren({ cascade: true }) children!: Nested[]
  @TreeParent() parent!: Nested | null
}

@ViewEntity({ expression: 'SELECT id, email, email_hmac FROM patient', dependsOn: [Patient] })
export class PatientView {
  @ViewColumn() id!: number
  @Encrypted({
    type: 'string',
    exact: { normalize: 'email', unique: true },
    fieldId: 'patient.email',
  })
  email!: string
}
