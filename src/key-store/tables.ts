/** A column in PostgreSQL's own spelling of types, so that nothing differs when it is read back. */
export interface ColumnDefinition {
  readonly name: string
  readonly type: 'bytea' | 'integer' | 'text' | 'timestamp with time zone'
  readonly nullable: boolean
}

/** A named list of columns: a primary key or a unique constraint. */
export interface ConstraintDefinition {
  readonly name: string
  readonly columns: readonly string[]
}

/** A unique index over the rows that satisfy `where`. */
export interface PartialUniqueDefinition extends ConstraintDefinition {
  readonly where: string
}

/** A reference to another table of this list. */
export interface ReferenceDefinition extends ConstraintDefinition {
  readonly table: string
  readonly referenced: readonly string[]
  readonly onDelete: 'CASCADE'
}

/** One table of the key store. */
export interface TableDefinition {
  readonly name: string
  readonly columns: readonly ColumnDefinition[]
  readonly primaryKey: ConstraintDefinition
  readonly uniques: readonly ConstraintDefinition[]
  readonly partialUniques: readonly PartialUniqueDefinition[]
  readonly references: readonly ReferenceDefinition[]
}

/**
 * The tables of the PostgreSQL key store, in the order of their creation.
 *
 * `createTables()` and the TypeORM layer both build from this list, with every constraint named, so
 * that tables made by one are complete in the eyes of the other.
 */
export const KEY_STORE_TABLES: readonly TableDefinition[] = [
  {
    name: 'mortise_key',
    columns: [
      column('id', 'bytea'),
      column('domain', 'text'),
      column('purpose', 'text'),
      column('version', 'integer'),
      column('state', 'text'),
      column('kcv', 'bytea'),
      column('created_at', 'timestamp with time zone'),
      column('state_changed_at', 'timestamp with time zone'),
      column('epoch', 'integer'),
    ],
    primaryKey: { name: 'mortise_key_pk', columns: ['id'] },
    uniques: [{ name: 'mortise_key_version_unique', columns: ['domain', 'purpose', 'version'] }],
    partialUniques: [
      {
        name: 'mortise_key_active_unique',
        columns: ['domain', 'purpose'],
        where: `"state" = 'active'`,
      },
    ],
    references: [],
  },
  {
    name: 'mortise_key_wrap',
    columns: [
      column('key_id', 'bytea'),
      column('provider_uri', 'text'),
      column('wrapped', 'bytea'),
      column('created_at', 'timestamp with time zone'),
    ],
    primaryKey: { name: 'mortise_key_wrap_pk', columns: ['key_id', 'provider_uri'] },
    uniques: [],
    partialUniques: [],
    references: [
      {
        name: 'mortise_key_wrap_key_fk',
        columns: ['key_id'],
        table: 'mortise_key',
        referenced: ['id'],
        onDelete: 'CASCADE',
      },
    ],
  },
  {
    name: 'mortise_subject_key',
    columns: [
      column('id', 'bytea'),
      column('domain', 'text'),
      column('subject_ref', 'bytea'),
      column('kek_id', 'bytea'),
      column('wrapped', 'bytea'),
      column('created_at', 'timestamp with time zone'),
    ],
    primaryKey: { name: 'mortise_subject_key_pk', columns: ['id'] },
    uniques: [{ name: 'mortise_subject_key_ref_unique', columns: ['domain', 'subject_ref'] }],
    partialUniques: [],
    references: [],
  },
  {
    name: 'mortise_tombstone',
    columns: [
      column('id', 'bytea'),
      column('domain', 'text'),
      column('destroyed_at', 'timestamp with time zone'),
      column('actor', 'text'),
      column('reason', 'text'),
      column('epoch', 'integer'),
    ],
    primaryKey: { name: 'mortise_tombstone_pk', columns: ['id'] },
    uniques: [],
    partialUniques: [],
    references: [],
  },
  {
    name: 'mortise_index',
    columns: [
      column('domain', 'text'),
      column('kind', 'text'),
      column('name', 'text'),
      column('generation', 'integer'),
      nullable('index_key_id', 'bytea'),
      nullable('normaliser', 'text'),
      nullable('bits', 'integer'),
      nullable('range_parameters', 'text'),
      nullable('shared_group', 'text'),
      column('state', 'text'),
      column('epoch', 'integer'),
    ],
    primaryKey: { name: 'mortise_index_pk', columns: ['domain', 'kind', 'name', 'generation'] },
    uniques: [],
    partialUniques: [],
    references: [],
  },
]

function column(name: string, type: ColumnDefinition['type']): ColumnDefinition {
  return { name, type, nullable: false }
}

function nullable(name: string, type: ColumnDefinition['type']): ColumnDefinition {
  return { name, type, nullable: true }
}
