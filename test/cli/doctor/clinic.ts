import 'reflect-metadata'
import {
  Check,
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  Index,
  PrimaryColumn,
} from 'typeorm'
import { createKeyring, generateRootKey, inAppKeyProvider, type Keyring } from '../../../src'
import { CHECKS } from '../../../src/cli/doctor/checks'
import type { Found } from '../../../src/cli/doctor/finding'
import { type DoctorOptions, readSetup } from '../../../src/cli/doctor/setup'
import type { KeyringOptions } from '../../../src/keys/keyring-options'
import { Encrypted, withEncryption } from '../../../src/typeorm'
import { createDatabase, type TestDatabase } from '../../database'

@Entity()
@Check('patient_email_sealed', `get_byte("email", 0) = 225`)
@Index(['ward', 'age_lofi'])
export class Patient {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: { normalize: 'email', unique: true } }) email!: string
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) age!: number | null
  @Encrypted({ type: 'string', column: 'text', nullable: true, name: 'Free Text' })
  notes!: string | null
  @Encrypted({ type: 'string', exact: true, subject: 'ward', nullable: true })
  nurse!: string | null
}

/** An encrypted database of its own, and what the doctor finds in it. */
export interface Clinic {
  readonly database: TestDatabase
  readonly dataSource: DataSource
  readonly keyring: Keyring
  /** Runs SQL as something else than the application would. */
  sql(statement: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>
  /** What one check finds. */
  check(name: string, options?: Partial<DoctorOptions>): Promise<readonly Found[]>
  close(): Promise<void>
}

export const OPTIONS: DoctorOptions = { maxKeyAgeDays: 365, deep: false, patienceMs: 5000 }

export async function openClinic(
  keyringOptions: Partial<KeyringOptions> = {},
  options: Record<string, unknown> = {},
): Promise<Clinic> {
  const database = await createDatabase()
  const dataSource = new DataSource({
    ...{ type: 'postgres', url: database.url, entities: [Patient], synchronize: true, ...options },
  } as DataSourceOptions)
  const provider = inAppKeyProvider({ name: 'test', secret: generateRootKey() })
  const keyring = createKeyring({ providers: [provider], ...keyringOptions })
  await withEncryption(dataSource, { keyring }).initialize()
  return {
    database,
    dataSource,
    keyring,
    sql: (statement, parameters) => dataSource.query(statement, parameters),
    async check(name, more = {}) {
      const check = CHECKS[name]
      if (!check) throw new Error(`there is no check ${name}`)
      return check(await readSetup(dataSource, { ...OPTIONS, ...more }))
    },
    async close() {
      await dataSource.destroy()
      await keyring.close()
      await database.drop()
    },
  }
}

export const person = (id: number) => ({
  ...{ id, ward: `w${id}`, email: `Ada${id}@Example.com`, age: 40 + id, notes: 'allergic' },
  nurse: 'Grace',
})
