import { type AdoptedPlace, placeLabel } from '../../adoption/adopted-place'
import {
  type FoundAdoption,
  findAdoptions,
  isRecordOf,
  recordedAdoptions,
} from '../../adoption/adoption-record'
import { beginAdoption } from '../../adoption/adoption-trigger'
import type { AdoptedTableColumn, EncryptedTableColumn } from '../../schema'
import { type Found, ok, problem, skipped, warning } from './finding'
import type { Setup } from './setup'

const MIGRATE = 'npx typeorm migration:generate … && npx typeorm migration:run'

/** Of each column that is being adopted the triggers stand, and no adoption is left from before. */
export async function checkAdoptions({
  tables,
  schemaName,
  catalogue,
  query,
}: Setup): Promise<Found[]> {
  if (catalogue({ schema: schemaName, name: 'mortise_adoption' }) === null) {
    return [skipped('adoptions', 'the table of their records does not exist', null)]
  }
  const adopted = tables.flatMap(({ columns }) => columns.filter(isAdopted))
  const places = adopted.map(({ adopted: { place } }) => place)
  const found = await findAdoptions(places, schemaName, query)
  const forgotten = (await recordedAdoptions(schemaName, query)).filter(
    (record) => !places.some((place) => isRecordOf(record, place)),
  )
  const findings = [
    ...adopted.map((column, i) => judge(column, found[i] as FoundAdoption, schemaName)),
    ...forgotten.map(({ table, column, state }) => {
      const finding = `is recorded as ${state}, and no entity declares its adoption`
      return warning(`${table}.${column}`, `${finding}: its triggers may stand yet`, MIGRATE)
    }),
  ]
  return findings.length > 0 ? findings : [ok('adoptions', 'no column is being adopted')]
}

type AdoptedColumn = EncryptedTableColumn & { readonly adopted: AdoptedTableColumn }

function isAdopted(column: EncryptedTableColumn): column is AdoptedColumn {
  return column.adopted !== null
}

function judge(
  { field, adopted: { place, state } }: AdoptedColumn,
  found: FoundAdoption,
  ownSchema: string | null,
): Found {
  const subject = `${field} (${nameOf(place)})`
  if (found.state === null) {
    return problem(subject, `is declared ${state}, and its adoption has not begun`, MIGRATE)
  }
  if (found.guarded) return ok(subject, `is declared ${state}, and recorded as ${found.state}`)
  return problem(
    subject,
    'its triggers are missing or disabled: writers from before leave envelopes that are out of date',
    beginAdoption(place, ownSchema).join(';\n').concat(';'),
  )
}

function nameOf(place: AdoptedPlace): string {
  return `${placeLabel(place)}.${place.plainColumn}`
}
