import { isMortiseError, MortiseError } from '../errors'
import type { Session } from '../key-store/store'
import type { KeyAccess } from '../keys/access'
import { checkAdoptions } from './check-adoptions'
import { isInView } from './check-columns'
import type { EncryptedColumn } from './encrypted-column'
import { holdsValues, howToKeepValues, type StoredColumn, storedColumns } from './stored-columns'

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
    const stored = await checkStored(columns(), session)
    await checkAdoptions(columns(), session.query)
    await keys.ready(session)
    await declareFields(keys, stored, session)
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

/** Before any key is asked for: a column that holds plaintext is refused with and without keys. */
async function checkStored(
  columns: readonly EncryptedColumn[],
  session: Session,
): Promise<readonly StoredColumn[]> {
  // A table holds what its views show.
  const inOrder = [...columns].sort((a, b) => Number(isInView(b)) - Number(isInView(a)))
  const fields = new Map(inOrder.map((column) => [column.field.fieldId, column]))
  const stored = await storedColumns([...fields.values()], session.query)
  for (const one of stored) {
    if (one.type === null || one.type === one.column.form) continue
    throw wrongType(one, await holdsValues(one.column, session.query))
  }
  return stored
}

async function declareFields(
  keys: KeyAccess,
  stored: readonly StoredColumn[],
  session: Session,
): Promise<void> {
  const known = new Set(await keys.knownFieldIds(session))
  for (const { column, type } of stored) {
    if (type === null || known.has(column.field.fieldId)) continue
    if (await holdsValues(column, session.query)) throw renamed(column)
  }
  await declareAll(keys, stored, session)
}

/** With one question for all fields; where an index was changed one after the other, to find out whose. */
async function declareAll(
  keys: KeyAccess,
  stored: readonly StoredColumn[],
  session: Session,
): Promise<void> {
  try {
    const declarations = stored.map(({ column }) => column.field.declaration)
    await keys.declareIndexes(declarations, session)
  } catch (error) {
    if (!isMortiseError(error, 'ERR_INDEX_CHANGED')) throw error
    for (const { column, type } of stored) await declare(keys, column, type !== null, session)
  }
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

/** Without values it is a migration that has yet to run; with values, plaintext. */
function wrongType(stored: StoredColumn, filled: boolean): MortiseError {
  const { field, main, form } = stored.column
  return new MortiseError(
    filled ? 'ERR_WOULD_DROP_PLAINTEXT' : 'ERR_FIELD_INVALID',
    `${field.name}: column ${main.databaseName} is ${stored.type} in the database and must be ${form}; ` +
      (filled
        ? `it holds values: ${howToKeepValues(stored)}`
        : 'run the migration that changes it'),
    { field: field.name },
  )
}

function renamed({ field, main, form }: EncryptedColumn): MortiseError {
  return new MortiseError(
    'ERR_FIELD_RENAMED',
    `${field.name}: column ${main.databaseName} holds values, and the key store does not know the ` +
      `field id '${field.fieldId}'; if the property or table was renamed, pin the former id with fieldId` +
      (form === 'text'
        ? '; if it holds plaintext, declare the property with another column (name)'
        : ''),
    { field: field.name },
  )
}
