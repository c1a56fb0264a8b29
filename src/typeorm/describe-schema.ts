import type { DataSource } from 'typeorm'
import type { NextColumn } from '../field/index-change'
import type { Query } from '../key-store/store'
import type { Keyring } from '../keys/keyring'
import {
  type AdoptedTableColumn,
  type ChangedColumns,
  type EncryptedTable,
  type EncryptedTableColumn,
  type IndexChangeColumns,
  registerSchema,
} from '../schema'
import { type AdoptingColumn, adoptingColumns, placeOf } from './adopted-places'
import { inTransaction } from './bracketed'
import { isInView } from './check-columns'
import type { EncryptedColumn } from './encrypted-column'
import { dataSourceOfMetadata } from './internals'
import { rowIdOf } from './row-column'
import { subjectIdOf } from './subject-column'

/** Tells rotation which tables and columns of a DataSource hold envelopes. */
export function describeSchema(
  dataSource: DataSource,
  keyring: Keyring,
  columns: readonly EncryptedColumn[],
): void {
  registerSchema(dataSource, {
    keyring,
    tables: tablesOf(columns),
    ownSchema: (dataSource.options as { schema?: string }).schema ?? null,
    query: (sql, parameters) => onMaster(dataSource, (query) => query(sql, parameters)),
    // Without `startTransaction`, which tells the application's subscribers.
    transaction: (work) => onMaster(dataSource, (query) => inTransaction(query, work)),
  })
}

async function onMaster<T>(dataSource: DataSource, work: (query: Query) => Promise<T>): Promise<T> {
  const runner = dataSource.createQueryRunner('master')
  try {
    // Without a structured result, UPDATE and DELETE answer with rows and their number.
    return await work(async (sql, parameters) => {
      return (await runner.query(sql, [...parameters], true)).records
    })
  } finally {
    await runner.release()
  }
}

/** By physical table: classes of one inheritance tree share theirs. */
function tablesOf(columns: readonly EncryptedColumn[]): EncryptedTable[] {
  const tables = new Map<string, EncryptedTable & { columns: EncryptedTableColumn[] }>()
  for (const column of columns.filter((one) => !isInView(one))) {
    const { main } = column
    const { tablePath, schema, tableName, primaryColumns } = main.entityMetadata
    const table = tables.get(tablePath) ?? {
      schema: schema ?? null,
      name: tableName,
      primaryKey: primaryColumns.map((column) => column.databaseName),
      columns: [],
    }
    tables.set(tablePath, table)
    if (table.columns.some(({ column }) => column === main.databaseName)) continue
    table.columns.push(tableColumn(column))
  }
  return [...tables.values()]
}

function tableColumn(column: EncryptedColumn): EncryptedTableColumn {
  const { main, hmac, lofi, hidden, field, form, subject, row } = column
  const [adopting] = adoptingColumns([column])
  return {
    field: field.name,
    definition: field,
    column: main.databaseName,
    form,
    nullable: main.isNullable,
    exactColumn: hmac?.databaseName ?? null,
    rangeColumn: lofi?.databaseName ?? null,
    indexColumns: hidden.map(({ databaseName }) => databaseName),
    change: changeColumns(column),
    subject: subject && {
      column: subject.column.databaseName,
      idOf: (value) => subjectIdOf(subject, value),
    },
    row: row && { column: row.column.databaseName, idOf: (value) => rowIdOf(row, value) },
    adopted: adopting ? adoptedColumn(adopting) : null,
  }
}

function adoptedColumn(column: AdoptingColumn): AdoptedTableColumn {
  const { column: plain, state } = column.adopted
  const { driver } = dataSourceOfMetadata(plain.entityMetadata)
  return {
    place: placeOf(column),
    state,
    valueOf: (stored) => driver.prepareHydratedValue(stored, plain),
  }
}

function changeColumns({ change, main }: EncryptedColumn): IndexChangeColumns | null {
  if (!change) return null
  const { declared, next, final } = change
  const places = (kind: 'hmac' | 'lofi', place: NextColumn): ChangedColumns | null => {
    const [own, beside] = [final[kind], next[kind]]
    if (!place || !own || !beside) return null
    return { own: own.databaseName, beside: place === 'beside' ? beside.databaseName : null }
  }
  const exact = places('hmac', declared.exactColumn)
  const range = places('lofi', declared.rangeColumn)
  const added = [exact?.beside, range?.beside]
  const { indices, uniques } = main.entityMetadata
  const isUnique = [...indices.filter((index) => index.isUnique), ...uniques].some(({ columns }) =>
    columns.some(({ databaseName }) => added.includes(databaseName)),
  )
  return { next: declared.next, exact, range, isUnique }
}
