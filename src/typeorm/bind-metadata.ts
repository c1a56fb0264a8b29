import type { EntityMetadata, ObjectLiteral, ValueTransformer } from 'typeorm'
import { readsPlain, writesPlain } from '../adoption/adoption-state'
import { FULL_BITS } from '../blind-index/token'
import { MortiseError } from '../errors'
import { askedColumn } from './asked-column'
import { bindPlain } from './bind-plain'
import {
  checkColumn,
  checkDeclaredOnce,
  checkGroups,
  checkHiddenColumns,
  checkSharedColumns,
  checkUniqueFieldIds,
} from './check-columns'
import {
  type ColumnMark,
  type ColumnRole,
  declaredField,
  markOf,
  markTransformer,
  suffixOf,
} from './declaration'
import {
  type AdoptedColumn,
  type EncryptedColumn,
  encryptedColumnOf,
  hiddenColumnsOf,
  registerEncryptedColumns,
} from './encrypted-column'
import { hiddenColumns, withIndexes } from './hidden-columns'
import { indexHiddenColumns } from './hidden-indexes'
import type { ColumnMetadata } from './internals'
import { keepUndefined } from './keep-undefined'
import { findRowColumn } from './row-column'
import { rememberEntities } from './row-of-id'
import { findSubjectColumn } from './subject-column'
import { indexTokens } from './token-indexes'
import { envelopeTransformer } from './transformers'

/**
 * Binds the freshly built metadata of one DataSource to the domain of its keyring: its own
 * transformers, field ids and hidden columns. Metadata objects belong to one DataSource, so nothing
 * here is seen by another one that uses the same classes.
 *
 * @returns every encrypted column of the DataSource
 * @throws ERR_FIELD_INVALID for a column that cannot be encrypted
 */
export function bindMetadata(
  metadatas: readonly EntityMetadata[],
  domain: string,
): EncryptedColumn[] {
  const all = metadatas.flatMap((metadata) => bindEntity(metadata, domain))
  checkUniqueFieldIds(all)
  checkSharedColumns(metadatas, all)
  checkGroups(all)
  return all
}

function bindEntity(metadata: EntityMetadata, domain: string): readonly EncryptedColumn[] {
  checkDeclaredOnce(metadata)
  checkHiddenColumns(metadata)
  const columns = metadata.columns.flatMap((main) => {
    const mark = markOf(main.transformer)
    return mark?.role === 'main' ? [bindColumn(metadata, main, mark, domain)] : []
  })
  if (columns.length === 0) return columns
  indexTokens(metadata, columns)
  if (metadata.tableType !== 'view') indexHiddenColumns(metadata, columns)
  registerEncryptedColumns(metadata, columns)
  writeHiddenColumns(metadata)
  if (columns.some(({ subject, row }) => subject ?? row)) rememberEntities(metadata)
  return columns
}

function bindColumn(
  metadata: EntityMetadata,
  main: ColumnMetadata,
  mark: ColumnMark,
  domain: string,
): EncryptedColumn {
  const { options, suffix } = mark
  const path = main.propertyPath.slice(0, main.propertyPath.length - suffix.length)
  const name = `${metadata.targetName}.${path}`
  checkColumn(metadata, main, name)
  const fieldId = options.fieldId ?? `${metadata.tableName}.${path}`
  const { field, change } = declaredField(options, name, fieldId)
  const subject =
    options.subject === undefined ? null : findSubjectColumn(metadata, name, options.subject)
  const find = (role: ColumnRole) => siblingColumn(metadata, path, role, options)
  const indexes = hiddenColumns(find, field, change)
  const adopted = options.adopt ? bindPlain(metadata, find('plain'), options, name) : null
  bindTransformer(main, envelopeTransformer(field))
  for (const { column, transformer } of indexes.values()) bindTransformer(column, transformer)
  const property = adopted && readsPlain(adopted.state) ? adopted.column : main
  keepUndefined(property)
  const form = options.column ?? 'bytea'
  const row = options.bindRow ? findRowColumn(metadata, name) : null
  const sealing = { context: field.context(domain), property, main, form, subject, row, adopted }
  const column = withIndexes(sealing, field, change, indexes)
  for (const hidden of hiddenColumnsOf(column)) deriveFrom(property, hidden, adopted)
  return column
}

function siblingColumn(
  metadata: EntityMetadata,
  path: string,
  role: ColumnRole,
  options: ColumnMark['options'],
): ColumnMetadata {
  const hiddenPath = path + suffixOf(role, options)
  const found = metadata.columns.find(({ propertyPath }) => propertyPath === hiddenPath)
  if (found && markOf(found.transformer)?.role === role) return found
  const field = `${metadata.targetName}.${path}`
  throw new MortiseError(
    'ERR_FIELD_INVALID',
    `${field}: another property is named ${hiddenPath}, which mortise needs for it; rename it`,
    { field },
  )
}

function bindTransformer(column: ColumnMetadata, transformer: ValueTransformer): void {
  column.transformer = markTransformer(transformer, markOf(column.transformer) as ColumnMark)
}

/**
 * Makes a hidden column follow its property in every write, and never appear on an entity.
 *
 * Derived on read of the entity, because TypeORM writes NULL into nullable columns whose property
 * is undefined: a stored `select: false` index would be wiped by the second save.
 *
 * @param adopted - leaves it out of what TypeORM compares: values of an adopted column have another
 *   equality, and the property's own column alone decides what has changed
 */
function deriveFrom(
  property: ColumnMetadata,
  hidden: ColumnMetadata,
  adopted: AdoptedColumn | null,
): void {
  const { transformer } = hidden
  const isWritten = hidden !== adopted?.column || writesPlain(adopted.state)
  hidden.getEntityValue = (entity: ObjectLiteral, transform = false) => {
    const value = isWritten ? property.getEntityValue(entity) : undefined
    return transform && transformer && !Array.isArray(transformer) ? transformer.to(value) : value
  }
  hidden.setEntityValue = () => {}
  hidden.createValueMap = () => ({})
  if (adopted) hidden.isVirtual = true
}

/** One property in an UPDATE sets all its columns; a conflict path of an upsert means its token. */
function writeHiddenColumns(metadata: EntityMetadata): void {
  const find = metadata.findColumnsWithPropertyPath.bind(metadata)
  metadata.findColumnsWithPropertyPath = (path) => {
    const found = find(path)
    const encrypted = found.length === 1 ? encryptedColumnOf(found[0]) : undefined
    return encrypted ? [encrypted.property, ...hiddenColumnsOf(encrypted)] : found
  }
  const map = metadata.mapPropertyPathsToColumns.bind(metadata)
  metadata.mapPropertyPathsToColumns = (paths) => map(paths).map(conflictColumn)
}

function conflictColumn(column: ColumnMetadata): ColumnMetadata {
  const encrypted = encryptedColumnOf(column)
  if (!encrypted) return column
  const { field, hmac } = askedColumn(encrypted)
  if (hmac && field.exact?.bits === FULL_BITS) return hmac
  throw new MortiseError(
    'ERR_QUERY_UNSUPPORTED',
    `${field.name} cannot be a conflict path: only untruncated tokens decide a conflict; declare ` +
      'exact: { unique: true }, or exact: true and @Unique over several properties',
    { field: field.name },
  )
}
