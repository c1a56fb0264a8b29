import { quote, tableLabel, tablePath } from '../../rotation/table-path'
import type { EncryptedTable, EncryptedTableColumn } from '../../schema'
import { type Found, problem } from './finding'
import { probeRows, type RowProbe } from './row-probe'
import { firstByteChecks } from './sealed-constraint'
import { allWell, type Setup } from './setup'

/**
 * Every stored value begins as an envelope does. A column with a validated CHECK on its first byte
 * needs no look at its rows; the others of a table are read in one pass, up to the first that is none.
 */
export async function checkStoredValues(setup: Setup): Promise<Found[]> {
  const findings: Found[] = []
  for (const table of setup.tables) {
    const proven = await provenColumns(setup, table)
    const open = table.columns.filter(({ column }) => !proven.has(column))
    findings.push(
      ...(await probeRows(
        setup.query,
        table,
        open.map((one) => probe(table, one)),
      )),
    )
  }
  return findings.length > 0
    ? findings
    : allWell(setup, 'envelope columns', 'every stored value begins as an envelope')
}

async function provenColumns(setup: Setup, table: EncryptedTable): Promise<Set<string>> {
  const proven = new Set<string>()
  for (const column of table.columns) {
    const checks = await firstByteChecks(setup, table, column)
    if (checks.some(({ effect, validated }) => effect === 'seals' && validated)) {
      proven.add(column.column)
    }
  }
  return proven
}

function probe(table: EncryptedTable, { column, field, form }: EncryptedTableColumn): RowProbe {
  const isNoEnvelope = (value: string): string =>
    form === 'text'
      ? `${value} NOT LIKE 'mrt1.%'`
      : `substring(${value} from 1 for 1) <> decode('e1', 'hex') OR octet_length(${value}) = 0`
  const keys = table.primaryKey.map(quote).join(', ')
  return {
    condition: isNoEnvelope(`r.${quote(column)}`),
    found: problem(
      `${field} (${tableLabel(table)}.${column})`,
      'holds a value that is no envelope, most likely plaintext written by something else',
      `SELECT ${keys} FROM ${tablePath(table)} WHERE ${isNoEnvelope(quote(column))};`,
    ),
  }
}
