import type { ObjectLiteral } from 'typeorm'
import type { ColumnMetadata } from './internals'

const inserted = new WeakSet<ObjectLiteral>()

/** Notes an entity that a statement inserts: what it leaves undefined is NULL in the database as well. */
export function noteInserted(entity: ObjectLiteral | undefined): void {
  if (entity) inserted.add(entity)
}

/**
 * Leaves a property undefined that a `save()` did not know.
 *
 * TypeORM sets undefined nullable properties to null once an entity is saved, and the next `save()`
 * writes that NULL over a stored value which was merely not selected. It reads the property of the
 * very entity right before: nothing else writes null after such a read, because `create()` and
 * `merge()` read another object, and hydration reads none.
 */
export function keepUndefined(column: ColumnMetadata): void {
  let asked: WeakRef<ObjectLiteral> | undefined
  const get = column.getEntityValue.bind(column)
  const set = column.setEntityValue.bind(column)
  column.getEntityValue = (entity, transform) => {
    const value = get(entity, transform)
    asked = value === undefined && entity ? new WeakRef(entity) : undefined
    return value
  }
  column.setEntityValue = (entity, value) => {
    const unknown = value === null && asked?.deref() === entity && !inserted.has(entity)
    asked = undefined
    if (!unknown) set(entity, value)
  }
}
