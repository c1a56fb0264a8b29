import type { DataSource, EntityMetadata } from 'typeorm'
import { type AdoptedPlace, placeLabel, placePath } from '../adoption/adopted-place'
import {
  type AdoptionRecord,
  findAdoptions,
  holdsPlain,
  isRecordOf,
  recordedAdoptions,
} from '../adoption/adoption-record'
import {
  beginAdoption,
  endAdoption,
  type MigrationSql,
  triggerNames,
} from '../adoption/adoption-trigger'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import { type AdoptingColumn, adoptingColumns, placeOf } from './adopted-places'
import { sealedColumnsOf } from './encrypted-column'

/** What adoptions need of the schema beside TypeORM's own statements. */
export interface AdoptionMigration {
  readonly before: MigrationSql
  readonly after: MigrationSql
  /** Declared adoptions whose former column exists and must stay. */
  readonly kept: readonly AdoptingColumn[]
}

/**
 * Compares the declared adoptions with the database: new ones get their record and triggers once TypeORM
 * has added the columns, and those that are declared no more lose them before it drops any.
 *
 * @throws ERR_WOULD_DROP_PLAINTEXT where a former column that still holds values would be dropped
 * @throws ERR_ADOPTION where a property that is sealed would become plain
 */
export async function adoptionMigration(
  dataSource: DataSource,
  query: Query,
): Promise<AdoptionMigration> {
  const synchronized = dataSource.entityMetadatas.filter(({ synchronize }) => synchronize)
  const ownSchema = (dataSource.options as { schema?: string }).schema ?? null
  const adopting = adoptingColumns(synchronized.flatMap(sealedColumnsOf))
  const places = adopting.map(placeOf)
  const found = await findAdoptions(places, ownSchema, query)
  const begun = places.filter((_, i) => !found[i]?.guarded || found[i]?.state === null)
  const before: MigrationSql[] = []
  for (const record of await recordedAdoptions(ownSchema, query)) {
    const owner = synchronized.find((one) => placeLabel(tableOf(one)) === record.table)
    if (!owner || places.some((place) => isRecordOf(record, place))) continue
    before.push(await ending(owner, record, ownSchema, query))
  }
  return {
    before: joined(before),
    after: joined(
      begun.map((place) => ({
        up: beginAdoption(place, ownSchema),
        down: endAdoption(place, ownSchema).toReversed(),
      })),
    ),
    kept: adopting.filter((_, i) => found[i]?.present),
  }
}

function joined(parts: readonly MigrationSql[]): MigrationSql {
  return { up: parts.flatMap(({ up }) => up), down: parts.flatMap(({ down }) => down) }
}

function tableOf({ schema, tableName }: EntityMetadata): Pick<AdoptedPlace, 'schema' | 'table'> {
  return { schema: schema ?? null, table: tableName }
}

const DEFINITIONS = `SELECT pg_get_triggerdef(t.oid) AS trigger, pg_get_functiondef(t.tgfoid) AS body
  FROM pg_catalog.pg_trigger t
  WHERE t.tgrelid = to_regclass($1) AND t.tgname::text = ANY ($2::text[]) ORDER BY t.tgname`

/** The end of an adoption, and for the way back what the database has of it. */
async function ending(
  owner: EntityMetadata,
  record: AdoptionRecord,
  ownSchema: string | null,
  query: Query,
): Promise<MigrationSql> {
  const place = {
    ...tableOf(owner),
    plainColumn: record.column,
    envelopeColumn: '',
    indexColumns: [],
    ownerColumns: [],
  }
  const stays = owner.columns.some(({ databaseName }) => databaseName === record.column)
  const [column] = await findAdoptions([place], ownSchema, query)
  if (stays && record.state === 'sealed') throw isSealedForGood(owner, record)
  if (!stays && column?.present && (await holdsPlain(place, query))) {
    throw wouldDrop(`${owner.targetName} no longer declares`, record, howToEmpty(record))
  }
  const rows = await query(DEFINITIONS, [placePath(place), [...triggerNames(place)]])
  const [insertRecord] = beginAdoption(place, ownSchema)
  const body = rows[0]?.body
  return {
    up: endAdoption(place, ownSchema),
    down: [
      ...rows.map(({ trigger }) => String(trigger)),
      ...(typeof body === 'string' ? [body] : []),
      String(insertRecord).replace("'dual'", `'${record.state}'`),
    ],
  }
}

function howToEmpty({ state }: AdoptionRecord): string {
  return state === 'sealed'
    ? "run adopt(dataSource, { to: 'sealed' }) once more from an application that declares 'sealed'"
    : `its adoption is recorded as '${state}': go on to 'sealed' before adopt is removed`
}

/** The one refusal of a schema change that would drop a former column. */
export function wouldDrop(
  what: string,
  { table, column }: Pick<AdoptionRecord, 'table' | 'column'>,
  fix: string,
  field?: string,
): MortiseError {
  return new MortiseError(
    'ERR_WOULD_DROP_PLAINTEXT',
    `${what} column ${column} of ${table}, which holds values that this change of the schema would drop: ${fix}`,
    { field },
  )
}

function isSealedForGood({ targetName }: EntityMetadata, record: AdoptionRecord): MortiseError {
  return new MortiseError(
    'ERR_ADOPTION',
    `${targetName} declares column ${record.column} of ${record.table} as a plain one, and its values ` +
      'are sealed in another column: declare the encrypted property',
  )
}
