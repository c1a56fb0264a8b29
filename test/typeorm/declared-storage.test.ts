import 'reflect-metadata'
import {
  ChildEntity,
  Column,
  type DataSource,
  Entity,
  Index,
  PrimaryColumn,
  TableInheritance,
  Unique,
  ViewColumn,
  ViewEntity,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DeclaredStorage, declaredStorage } from '../../src/typeorm/declared-storage'
import { Encrypted } from '../../src/typeorm/encrypted'
import { createDatabase, type TestDatabase } from '../database'
import { guardedDataSource } from './data-source'

class Address {
  @Encrypted({ type: 'string', exact: true, nullable: true }) street!: string | null
}

@Entity({ schema: 'ward' })
@Unique('tenant_email', ['tenant', 'email'])
@Index('tenant_age', ['tenant', 'age_lofi'])
@Index('plain', ['tenant'])
class Patient {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', exact: true }) email!: string
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) age!: number | null
  @Encrypted({ type: 'string', column: 'text', subject: 'tenant', exact: true }) notes!: string
  @Column(() => Address) home!: Address
  @Column(() => Address) work!: Address
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Staff {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', range: { prefix: 2 } }) name!: string
}

@ChildEntity()
class Doctor extends Staff {
  @Encrypted({ type: 'date', range: { truncate: 'year' } }) since!: string
}

@Entity()
class Room {
  @PrimaryColumn('int') id!: number
}

@ViewEntity({ expression: 'SELECT id, email FROM ward.patient' })
class Addresses {
  @ViewColumn() id!: number
}

let database: TestDatabase
let dataSource: DataSource
let storage: DeclaredStorage

beforeAll(async () => {
  database = await createDatabase()
  const entities = [Patient, Staff, Doctor, Room, Addresses]
  dataSource = await guardedDataSource(database.url, { entities }).initialize()
  await dataSource.query('CREATE SCHEMA ward')
  await dataSource.synchronize()
  storage = declaredStorage(dataSource)
})

afterAll(async () => {
  await dataSource?.destroy()
  await database?.drop()
})

describe('declared storage', () => {
  it('has every column of encrypted properties, once', () => {
    const { columns } = storage
    expect(columns.map(({ field, role }) => `${field} ${role}`)).toEqual([
      ...['Patient.email main', 'Patient.email hmac', 'Patient.age main', 'Patient.age lofi'],
      ...['Patient.notes main', 'Patient.notes hmac'],
      ...['Patient.home.street main', 'Patient.home.street hmac'],
      ...['Patient.work.street main', 'Patient.work.street hmac'],
      ...['Staff.name main', 'Staff.name lofi', 'Staff.since main', 'Staff.since lofi'],
    ])
  })

  it('agrees with what TypeORM makes of it', async () => {
    for (const { schema, table, column, type, nullable } of storage.columns) {
      const stored = await dataSource.query(
        `SELECT format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable
          FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2`,
        [`${schema ?? 'public'}.${table}`, column],
      )
      expect({ column, stored }).toEqual({ column, stored: [{ type, nullable }] })
    }
    for (const { schema, table, name, unique } of storage.indexes) {
      const stored = await dataSource.query(
        `SELECT indisunique AS unique FROM pg_index
          WHERE indexrelid = $1::regclass AND indrelid = $2::regclass`,
        [`${schema ?? 'public'}."${name}"`, `${schema ?? 'public'}.${table}`],
      )
      expect({ name, stored }).toEqual({ name, stored: [{ unique }] })
    }
  })

  it('has the indexes over token and bucket columns, and no others', () => {
    const shown = storage.indexes.map(({ field, columns, unique, constraint }) => {
      return [field, columns.join(), ...(unique ? [constraint ? 'constraint' : 'unique'] : [])]
    })
    expect(shown.sort()).toEqual(
      [
        ['Patient.email', 'tenant,email_hmac', 'constraint'],
        ['Patient.email', 'email_hmac'],
        ['Patient.age', 'tenant,age_lofi'],
        ['Patient.age', 'age_lofi'],
        ['Patient.notes', 'notes_hmac'],
        ['Patient.home.street', 'homeStreet_hmac'],
        ['Patient.work.street', 'workStreet_hmac'],
        ['Staff.name', 'name_lofi'],
        ['Staff.since', 'since_lofi'],
      ].sort(),
    )
  })
})
