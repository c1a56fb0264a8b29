import { isMortiseError, MortiseError } from '../errors'
import type { Session } from '../key-store/store'
import type { KeyAccess } from '../keys/access'
import type { EncryptedColumn } from './encrypted-column'
import { holdsValues, storedColumns } from './stored-columns'

/** What must be true before the first value is sealed or opened. */
export interface Preparation {
  prepare(session: Session): Promise<void>
  /** Forgets that it was done: the DataSource starts again. */
  reset(): void
}

/**
 * Compares declarations with the database and the key store, and loads the keys, once.
 *
 * Statements that come meanwhile wait for the first one; each makes an attempt of its own where that
 * failed, because the first one's transaction may have been the reason.
 *
 * @param survivesRollback - whether the key store's writes are outside of the statement's transaction;
 *   where they are not, what was done inside one is done again
 */
export function createPreparation(
  keys: KeyAccess,
  columns: () => readonly EncryptedColumn[],
  survivesRollback: () => boolean,
): Preparation {
  let done = false
  let running: Promise<void> | undefined
  async function attempt(session: Session): Promise<void> {
    await keys.ready(session)
    await declareFields(keys, columns(), session)
    done = !session.inTransaction || survivesRollback()
  }
  return {
    async prepare(session) {
      while (running) await running.catch(() => {})
      if (done) return
      running = attempt(session).finally(() => {
        running = undefined
      })
      await running
    },
    reset() {
      done = false
    },
  }
}

async function declareFields(
  keys: KeyAccess,
  columns: readonly EncryptedColumn[],
  session: Session,
): Promise<void> {
  const fields = [...new Map(columns.map((column) => [column.field.fieldId, column])).values()]
  const known = new Set(await keys.knownFieldIds(session))
  const stored = await storedColumns(fields, session.query)
  for (const { column, type } of stored) {
    if (type !== null && type !== 'bytea') throw wrongType(column, type)
    if (type === null || known.has(column.field.fieldId)) continue
    if (await holdsValues(column, session.query)) throw renamed(column)
  }
  const present = new Set(stored.filter(({ type }) => type !== null).map(({ column }) => column))
  for (const column of fields) await declare(keys, column, present.has(column), session)
}

/** A changed index is an error, unless there is no value yet that it could miss. */
async function declare(
  keys: KeyAccess,
  column: EncryptedColumn,
  present: boolean,
  session: Session,
): Promise<void> {
  const { declaration } = column.field
  try {
    await keys.declareIndexes([declaration], session)
  } catch (error) {
    if (!isMortiseError(error, 'ERR_INDEX_CHANGED')) throw error
    if (present && (await holdsValues(column, session.query))) throw error
    await keys.redeclareIndex(declaration, session)
  }
}

function wrongType({ field, main }: EncryptedColumn, type: string): MortiseError {
  return new MortiseError(
    'ERR_FIELD_INVALID',
    `${field.name}: column ${main.databaseName} is ${type} in the database and must be bytea; ` +
      'keep the existing values in a column of another name and copy them with save()',
    { field: field.name },
  )
}

function renamed({ field, main }: EncryptedColumn): MortiseError {
  return new MortiseError(
    'ERR_FIELD_RENAMED',
    `${field.name}: column ${main.databaseName} holds values, and the key store does not know the ` +
      `field id '${field.fieldId}'; if the property or table was renamed, pin the former id with fieldId`,
    { field: field.name },
  )
}
