import type { EntityMetadata, ObjectLiteral, ValueTransformer } from 'typeorm'
import { FULL_BITS } from '../blind-index/token'
import { MortiseError } from '../errors'
import { askedColumn } from './asked-column'
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
} from './declaration'
import {
  type EncryptedColumn,
  encryptedColumnOf,
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
  const columns = metadata.columns.flatMap((main) => {
    const mark = markOf(main.transformer)
    return mark?.role === 'main' ? [bindColumn(metadata, main, mark, domain)] : []
  })
  checkHiddenColumns(metadata)
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
  const name = `${metadata.targetName}.${main.propertyPath}`
  checkColumn(metadata, main, name)
  const fieldId = mark.options.fieldId ?? `${metadata.tableName}.${main.propertyPath}`
  const { field, change } = declaredField(mark.options, name, fieldId)
  const path = mark.options.subject
  const subject = path === undefined ? null : findSubjectColumn(metadata, name, path)
  const find = (role: ColumnRole) => hiddenColumn(metadata, main, role)
  const hidden = hiddenColumns(find, field, change)
  main.transformer = markTransformer(envelopeTransformer(field), mark)
  keepUndefined(main)
  for (const { column, transformer } of hidden.values()) deriveFrom(main, column, transformer)
  const form = mark.options.column ?? 'bytea'
  const row = mark.options.bindRow ? findRowColumn(metadata, name) : null
  const sealing = { context: field.context(domain), main, form, subject, row }
  return withIndexes(sealing, field, change, hidden)
}

function hiddenColumn(
  metadata: EntityMetadata,
  main: ColumnMetadata,
  role: ColumnRole,
): ColumnMetadata {
  const path = `${main.propertyPath}_${role}`
  const hidden = metadata.columns.find((column) => column.propertyPath === path)
  if (hidden && markOf(hidden.transformer)?.role === role) return hidden
  const field = `${metadata.targetName}.${main.propertyPath}`
  throw new MortiseError(
    'ERR_FIELD_INVALID',
    `${field}: another property is named ${path}, which mortise needs for its index; rename it`,
    { field },
  )
}

/**
 * Makes a hidden column follow its main property in every write, and never appear on an entity.
 *
 * Derived on read of the entity, because TypeORM writes NULL into nullable columns whose property
 * is undefined: a stored `select: false` index would be wiped by the second save.
 */
function deriveFrom(
  main: ColumnMetadata,
  hidden: ColumnMetadata,
  transformer: ValueTransformer,
): void {
  const mark = markOf(hidden.transformer) as ColumnMark
  hidden.transformer = markTransformer(transformer, mark)
  hidden.getEntityValue = (entity: ObjectLiteral, transform = false) => {
    const value = main.getEntityValue(entity)
    return transform ? transformer.to(value) : value
  }
  hidden.setEntityValue = () => {}
  hidden.createValueMap = () => ({})
}

/** One property in an UPDATE sets all its columns; a conflict path of an upsert means its token. */
function writeHiddenColumns(metadata: EntityMetadata): void {
  const find = metadata.findColumnsWithPropertyPath.bind(metadata)
  metadata.findColumnsWithPropertyPath = (path) => {
    const found = find(path)
    const encrypted = found.length === 1 ? encryptedColumnOf(found[0]) : undefined
    return encrypted ? physicalColumns(encrypted) : found
  }
  const map = metadata.mapPropertyPathsToColumns.bind(metadata)
  metadata.mapPropertyPathsToColumns = (paths) => map(paths).map(conflictColumn)
}

/** The envelope, token and bucket columns of an encrypted property, in that order. */
function physicalColumns({ main, hidden }: EncryptedColumn): ColumnMetadata[] {
  return [main, ...hidden]
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
