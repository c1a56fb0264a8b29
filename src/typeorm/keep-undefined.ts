import type { EntityMetadata, ObjectLiteral } from 'typeorm'
import { sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata } from './internals'

/** Entities that a statement inserted without the property. */
const leftOut = new WeakMap<ColumnMetadata, WeakSet<ObjectLiteral>>()

/** Notes an entity that a statement inserts: what it leaves undefined is NULL in the database as well. */
export function noteInserted(metadata: EntityMetadata, entity: ObjectLiteral | undefined): void {
  if (!entity) return
  for (const { property } of sealedColumnsOf(metadata)) {
    if (!property.isNullable || property.getEntityValue(entity) !== undefined) continue
    leftOut.get(property)?.add(entity)
  }
}

let latest: WeakRef<ObjectLiteral> | undefined

/** One for all properties of an entity, which are read one after the other. */
function refTo(entity: ObjectLiteral): WeakRef<ObjectLiteral> {
  if (latest?.deref() !== entity) latest = new WeakRef(entity)
  return latest as WeakRef<ObjectLiteral>
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
  const isNull = new WeakSet<ObjectLiteral>()
  leftOut.set(column, isNull)
  const get = column.getEntityValue.bind(column)
  const set = column.setEntityValue.bind(column)
  column.getEntityValue = (entity, transform) => {
    const value = get(entity, transform)
    asked = value === undefined && entity ? refTo(entity) : undefined
    // Given since it was left out: what is stored is not NULL any more.
    if (value !== undefined && entity) isNull.delete(entity)
    return value
  }
  column.setEntityValue = (entity, value) => {
    const unknown = value === null && asked?.deref() === entity && !isNull.delete(entity)
    asked = undefined
    if (!unknown) set(entity, value)
  }
}
