import 'reflect-metadata'
import { DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { createKeyring, inAppKeyProvider, type Keyring } from '../../../src'
import { keyControl } from '../../../src/keys/keyring'
import { checkOptions, type JobOptions } from '../../../src/rotation/job/job-options'
import {
  type ChangingField,
  changingFields,
  type FieldState,
} from '../../../src/rotation/reindexing/changing-fields'
import { type StepReport, takeStep } from '../../../src/rotation/reindexing/steps'
import { schemaOf } from '../../../src/schema'
import { Encrypted, withEncryption } from '../../../src/typeorm'

/** A row of the three versions of one entity. */
export interface Row {
  id: number
  /** Unique; changes its index key. */
  email: string
  /** Changes its step. */
  income: number | null
  /** Gets an index. */
  city: string | null
  /** Changes from few bits to all of them, and its prefix. */
  name: string
}

/** The version of an application before `reindex`. */
@Entity({ name: 'person' })
export class Before implements Row {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: { unique: true } }) email!: string
  @Encrypted({ type: 'number', range: { step: 100 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'string', nullable: true }) city!: string | null
  @Encrypted({ type: 'string', exact: { bits: 8 }, range: { prefix: 1 } }) name!: string
}

/** The version that runs while it does. */
@Entity({ name: 'person' })
export class Between implements Row {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: { unique: true }, next: {} }) email!: string
  @Encrypted({
    type: 'number',
    range: { step: 100 },
    next: { range: { step: 30 } },
    nullable: true,
  })
  income!: number | null
  @Encrypted({ type: 'string', next: { exact: true }, nullable: true }) city!: string | null
  @Encrypted({
    type: 'string',
    exact: { bits: 8 },
    range: { prefix: 1 },
    next: { exact: true, range: { prefix: 2 } },
  })
  name!: string
}

/** The version after it. */
@Entity({ name: 'person' })
export class After implements Row {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: { unique: true } }) email!: string
  @Encrypted({ type: 'number', range: { step: 30 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'string', exact: true, nullable: true }) city!: string | null
  @Encrypted({ type: 'string', exact: true, range: { prefix: 2 } }) name!: string
}

export interface Application {
  readonly dataSource: DataSource
  readonly keyring: Keyring
}

/** A process of its own, as far as keys are concerned: it shares the database and the root key alone. */
export async function start(
  url: string,
  secret: string,
  entity: new () => object,
  options: Partial<Extract<DataSourceOptions, { type: 'postgres' }>> & { pollMs?: number } = {},
): Promise<Application> {
  const { pollMs = 0, ...more } = options
  const keyring = createKeyring({
    providers: [inAppKeyProvider({ name: 'main', secret })],
    cache: { epochPollMs: pollMs },
  })
  const dataSource = new DataSource({ type: 'postgres', url, entities: [entity], ...more })
  await withEncryption(dataSource, { keyring }).initialize()
  return { dataSource, keyring }
}

/** The fields that change, as the key store has them now. */
export function fieldsOf({ dataSource, keyring }: Application): Promise<ChangingField[]> {
  return changingFields(schemaOf(dataSource), keyControl(keyring).indexes, undefined)
}

/** Takes the fields that are furthest behind one step further. */
export async function step(
  application: Application,
  options: JobOptions = {},
): Promise<{ readonly state: FieldState; readonly report: StepReport | null }> {
  const { dataSource } = application
  const fields = await fieldsOf(application)
  const context = { schema: schemaOf(dataSource), options: checkOptions(options) }
  const report = await takeStep(context, fields)
  return { state: (await fieldsOf(application))[0]?.state ?? 'done', report }
}
