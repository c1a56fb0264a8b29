import type { EncryptedTable } from '../../schema'
import type { ParameterRow } from './page-parameters'
import type { ReplacedColumn } from './replace-rows'
import type { RefusedRow } from './write-apart'

/**
 * Says what becomes of a row that a constraint of the database refuses, be it one that is not validated
 * and that the row violated before, or a trigger of the application: its values fail one after the other,
 * and each time the rest is tried.
 *
 * @param replaced - how the columns of the table are replaced, in their order
 */
export function refusedValues(
  { columns }: EncryptedTable,
  replaced: readonly ReplacedColumn[],
): (row: ParameterRow) => RefusedRow {
  const places = replaced.flatMap(({ parameters }, place) => parameters.map(() => place))
  return ({ key, parameters }) => {
    const refused = places.find((_, i) => parameters[i] !== null) ?? 0
    const rest = parameters.map((text, i) => (places[i] === refused ? null : text))
    const column = columns[refused]?.column ?? ''
    return {
      failed: { key, column, code: 'ERR_ROW_REFUSED' },
      rest: rest.every((text) => text === null) ? null : { key, parameters: rest },
    }
  }
}
