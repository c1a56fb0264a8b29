import { type AdoptedPlace, placeLabel } from '../adoption/adopted-place'
import {
  type FoundAdoption,
  findAdoptions,
  isEmptyTable,
  recordState,
} from '../adoption/adoption-record'
import { mayDeclare, type RecordedState } from '../adoption/adoption-state'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import { type AdoptingColumn, adoptingColumns, ownSchemaOf, placeOf } from './adopted-places'
import type { EncryptedColumn } from './encrypted-column'

/**
 * Compares the declared states of adoptions with what the database records, all with two statements. A
 * table without rows goes on to where a declaration says it is.
 *
 * @throws ERR_FIELD_INVALID where a migration has yet to run
 * @throws ERR_ADOPTION where the database is not as far, or past the declared state
 */
export async function checkAdoptions(
  columns: readonly EncryptedColumn[],
  query: Query,
): Promise<void> {
  const adopting = adoptingColumns(columns)
  const [first] = adopting
  if (!first) return
  const found = await findAdoptions(adopting.map(placeOf), ownSchemaOf(first), query)
  for (const [i, column] of adopting.entries()) {
    await checkAdoption(column, found[i] as FoundAdoption, query)
  }
}

async function checkAdoption(
  column: AdoptingColumn,
  found: FoundAdoption,
  query: Query,
): Promise<void> {
  const { field, adopted } = column
  if (!found.tableExists) return
  const place = placeOf(column)
  const { state } = found
  if (!found.present || !found.guarded || state === null) throw notMigrated(column, place, found)
  if (mayDeclare(adopted.state, state) || (await followsDeclaration(column, state, query))) {
    if (adopted.state !== 'sealed' || found.nullable) return
    throw notMigrated(column, place, found)
  }
  const command =
    state === 'sealed'
      ? 'its former column is no longer kept, so that no state before verified can be declared'
      : `run adopt(dataSource, { to: '${adopted.state}' }) from an application that declares the state before`
  throw new MortiseError(
    'ERR_ADOPTION',
    `${field.name} declares adopt.state '${adopted.state}', and the database records '${state}' for ` +
      `${placeLabel(place)}.${place.plainColumn}: ${command}`,
    { field: field.name },
  )
}

/**
 * Whoever wrote by the former state before it was changed is seen by the second look. From `sealed` there is
 * no way back also here: instances that run write no former column, and their rows would be read as NULL.
 */
async function followsDeclaration(
  column: AdoptingColumn,
  state: RecordedState,
  query: Query,
): Promise<boolean> {
  const place = placeOf(column)
  if (state === 'sealed' || !(await isEmptyTable(place, query))) return false
  const ownSchema = ownSchemaOf(column)
  const to = column.adopted.state
  await recordState(place, ownSchema, { from: [state], to }, query)
  if (await isEmptyTable(place, query)) return true
  await recordState(place, ownSchema, { from: [to], to: state }, query)
  return false
}

function notMigrated(
  { field, adopted }: AdoptingColumn,
  { plainColumn, ...place }: AdoptedPlace,
  { present, guarded, state }: FoundAdoption,
): MortiseError {
  const column = `${placeLabel(place)}.${plainColumn}`
  const problem = !present
    ? `there is no column ${column}, which adopt.from names`
    : !guarded || state === null
      ? `the triggers that keep ${column} in step with its envelopes are missing`
      : `${column} must be nullable in the state '${adopted.state}'`
  return new MortiseError(
    'ERR_FIELD_INVALID',
    `${field.name}: ${problem}: run the migration that migration:generate writes for this declaration`,
    { field: field.name },
  )
}
