import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import { type AdoptedPlace, placeLabel, placePath, quote } from './adopted-place'
import { ADOPTION_STATES, type RecordedState } from './adoption-state'
import { adoptionTable, triggerNames } from './adoption-trigger'

/** What the database has of one adoption. */
export interface FoundAdoption {
  readonly tableExists: boolean
  /** Null where nothing is recorded. */
  readonly state: RecordedState | null
  /** Whether its triggers stand and are enabled. */
  readonly guarded: boolean
  /** Whether the former column exists. */
  readonly present: boolean
  /** Whether the former column may be NULL. */
  readonly nullable: boolean
}

const FIND = `SELECT to_regclass(c.path) IS NOT NULL AS table_exists,
    a.attname IS NOT NULL AS present, NOT coalesce(a.attnotnull, false) AS nullable,
    (SELECT count(*) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = to_regclass(c.path)
      AND t.tgenabled <> 'D' AND t.tgname::text = ANY (c.triggers)) AS triggers
  FROM json_to_recordset($1::json) AS c(place integer, path text, name text, triggers text[])
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass(c.path)
    AND a.attname = c.name::name AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY c.place`

/** Looks up adoptions, all with two statements. */
export async function findAdoptions(
  places: readonly AdoptedPlace[],
  ownSchema: string | null,
  query: Query,
): Promise<FoundAdoption[]> {
  if (places.length === 0) return []
  const wanted = places.map((place, i) => {
    return {
      place: i,
      path: placePath(place),
      name: place.plainColumn,
      triggers: triggerNames(place),
    }
  })
  const rows = await query(FIND, [JSON.stringify(wanted)])
  const records = await recordedAdoptions(ownSchema, query)
  return places.map((place, i) => ({
    tableExists: rows[i]?.table_exists === true,
    state: records.find((one) => isRecordOf(one, place))?.state ?? null,
    guarded: Number(rows[i]?.triggers) === triggerNames(place).length,
    present: rows[i]?.present === true,
    nullable: rows[i]?.nullable === true,
  }))
}

/** What is recorded of one adoption. */
export interface AdoptionRecord {
  /** `table`, or `schema.table`. */
  readonly table: string
  readonly column: string
  readonly state: RecordedState
}

/** All adoptions that are recorded; none where the table of records does not exist. */
export async function recordedAdoptions(
  ownSchema: string | null,
  query: Query,
): Promise<AdoptionRecord[]> {
  const table = adoptionTable(ownSchema)
  const [found] = await query('SELECT to_regclass($1)::text AS name', [table])
  if (typeof found?.name !== 'string') return []
  const rows = await query(`SELECT table_name, column_name, state FROM ${table}`, [])
  return rows.map((row) => ({
    table: String(row.table_name),
    column: String(row.column_name),
    state: readState(row.state),
  }))
}

/** Whether a record is that of a place. */
export function isRecordOf({ table, column }: AdoptionRecord, place: AdoptedPlace): boolean {
  return table === placeLabel(place) && column === place.plainColumn
}

function readState(state: unknown): RecordedState {
  const known: readonly unknown[] = [...ADOPTION_STATES, 'verifying']
  if (known.includes(state)) return state as RecordedState
  throw new MortiseError('ERR_ADOPTION', `the record of an adoption holds the state '${state}'`)
}

/**
 * Records a state. Waits for the transactions that the triggers let through by the former one.
 *
 * @param from - the states that it may follow
 * @returns false where another one is recorded
 */
export async function recordState(
  place: AdoptedPlace,
  ownSchema: string | null,
  { from, to }: { readonly from: readonly RecordedState[]; readonly to: RecordedState },
  query: Query,
): Promise<boolean> {
  const rows = await query(
    `WITH changed AS (UPDATE ${adoptionTable(ownSchema)} SET state = $1, changed_at = now()
      WHERE table_name = $2 AND column_name = $3 AND state = ANY ($4::text[]) RETURNING 1)
    SELECT count(*)::integer AS changed FROM changed`,
    [to, placeLabel(place), place.plainColumn, [...from]],
  )
  return Number(rows[0]?.changed) === 1
}

/** Whether any row holds a value in the former column. Stops at the first. */
export async function holdsPlain(place: AdoptedPlace, query: Query): Promise<boolean> {
  const [row] = await query(
    `SELECT EXISTS (SELECT 1 FROM ${placePath(place)} WHERE ${quote(place.plainColumn)} IS NOT NULL) AS held`,
    [],
  )
  return row?.held !== false
}

/** Whether the table has no row; not where some may be hidden from this role. */
export async function isEmptyTable(place: AdoptedPlace, query: Query): Promise<boolean> {
  const path = placePath(place)
  const [row] = await query(
    `SELECT row_security_active($1::text) OR EXISTS (SELECT 1 FROM ${path}) AS held`,
    [path],
  )
  return row?.held === false
}
