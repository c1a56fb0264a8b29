import type { EntityMetadata, ObjectLiteral } from 'typeorm'

const rows = new WeakMap<ObjectLiteral, ObjectLiteral>()

/**
 * Makes the id maps of an entity lead back to the entity that TypeORM took them from.
 *
 * `save()` gives an UPDATE nothing but such a map and the changed properties; the subject of the row
 * is a property that did not change.
 */
export function rememberEntities(metadata: EntityMetadata): void {
  const idMap = metadata.getEntityIdMap.bind(metadata)
  metadata.getEntityIdMap = (entity) => {
    const id = idMap(entity)
    if (id && entity) rows.set(id, entity)
    return id
  }
}

/**
 * The entity that an id map was made from, or undefined for an object that the application made.
 * What it says agrees with the database: `save()` has compared the two, and writes what differs.
 */
export function rowOfId(id: ObjectLiteral | undefined): ObjectLiteral | undefined {
  return id && rows.get(id)
}
