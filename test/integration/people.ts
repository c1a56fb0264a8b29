import 'reflect-metadata'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  VersionColumn,
} from 'typeorm'
import {
  createKeyring,
  generateRootKey,
  inAppKeyProvider,
  type Keyring,
  type KeyringOptions,
} from '../../src'
import { Encrypted, type EncryptionOptions, withEncryption } from '../../src/typeorm'

@Entity()
export class Person {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: { normalize: 'email', unique: true } }) email!: string
  @Encrypted({ type: 'number', range: { step: 10_000 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'date', exact: true, range: { truncate: 'month' }, nullable: true })
  birthDate!: string | null
  @Encrypted({ type: 'string', exact: { bits: 8 }, range: { prefix: 2 }, nullable: true })
  surname!: string | null
  @Encrypted({ type: 'json', nullable: true }) chart!: { allergies: string[] } | null
  @VersionColumn() version!: number
  @OneToMany('Pet', 'owner', { cascade: true }) pets!: Pet[]
}

@Entity()
export class Pet {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @Encrypted({ type: 'number', range: { step: 5 } }) weight!: number
  @ManyToOne('Person', 'pets') owner!: Person
}

export interface Setup {
  readonly dataSource: DataSource
  readonly keyring: Keyring
  /** The root key, for another process of the same application. */
  readonly secret: string
  /** Every statement with its parameters, as TypeORM's logger sees them. */
  readonly log: string[]
}

export async function setUp(
  url: string,
  entities: DataSourceOptions['entities'],
  options: Record<string, unknown> = {},
  encryption: Omit<EncryptionOptions, 'keyring'> & {
    secret?: string
    keyring?: Partial<KeyringOptions>
  } = {},
): Promise<Setup> {
  const { secret = generateRootKey(), keyring: keyringOptions, ...more } = encryption
  const log: string[] = []
  const write = (query: string, parameters?: unknown[]) => {
    log.push(`${query} -- ${JSON.stringify(parameters)}`)
  }
  const logger = {
    logQuery: write,
    logQueryError: (error: string | Error, query: string, parameters?: unknown[]) => {
      const { message, detail } = error as Error & { detail?: string }
      log.push(`ERROR ${message} ${detail}`)
      write(query, parameters)
    },
    logQuerySlow() {},
    logSchemaBuild() {},
    logMigration() {},
    log() {},
  }
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    entities,
    synchronize: true,
    logger,
    logging: true,
    ...options,
  } as DataSourceOptions)
  const keyring = createKeyring({
    providers: [inAppKeyProvider({ name: 'test', secret })],
    ...keyringOptions,
  })
  await withEncryption(dataSource, { keyring, ...more }).initialize()
  return { dataSource, keyring, secret, log }
}
