/** A column in PostgreSQL's own spelling of types, so that nothing differs when it is read back. */
export interface ColumnDefinition {
  readonly name: string
  readonly type: 'bytea' | 'bigint' | 'integer' | 'text' | 'timestamp with time zone'
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

/** The tables of the PostgreSQL key store, in the order of their creation. */
const KEY_STORE_TABLES: readonly TableDefinition[] = [
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
  {
    name: 'mortise_history',
    columns: [
      column('domain', 'text'),
      column('sequence', 'integer'),
      column('record_id', 'text'),
      column('record', 'text'),
      column('checksum', 'text'),
    ],
    primaryKey: { name: 'mortise_history_pk', columns: ['domain', 'sequence'] },
    uniques: [{ name: 'mortise_history_record_unique', columns: ['domain', 'record_id'] }],
    partialUniques: [],
    references: [],
  },
]

/**
 * What batch jobs keep beside the data, so that a page of rows and the place that was reached commit
 * together: jobs, the key ranges that workers lease, and the rows that a job had to leave; and how far
 * each adoption is.
 */
export const JOB_TABLES: readonly TableDefinition[] = [
  {
    name: 'mortise_adoption',
    columns: [
      column('table_name', 'text'),
      column('column_name', 'text'),
      column('state', 'text'),
      column('changed_at', 'timestamp with time zone'),
    ],
    primaryKey: { name: 'mortise_adoption_pk', columns: ['table_name', 'column_name'] },
    uniques: [],
    partialUniques: [],
    references: [],
  },
  {
    name: 'mortise_job',
    columns: [
      column('id', 'text'),
      column('domain', 'text'),
      column('verb', 'text'),
      column('scope', 'text'),
      column('parameters', 'text'),
      column('state', 'text'),
      column('actor', 'text'),
      column('tables', 'text'),
      column('created_at', 'timestamp with time zone'),
      nullable('ended_at', 'timestamp with time zone'),
    ],
    primaryKey: { name: 'mortise_job_pk', columns: ['id'] },
    uniques: [],
    partialUniques: [
      {
        name: 'mortise_job_running_unique',
        columns: ['domain', 'verb', 'scope'],
        where: `"state" = 'running'`,
      },
    ],
    references: [],
  },
  {
    name: 'mortise_job_shard',
    columns: [
      column('job_id', 'text'),
      column('shard', 'integer'),
      column('table_name', 'text'),
      nullable('lower_key', 'text'),
      nullable('upper_key', 'text'),
      nullable('cursor_key', 'text'),
      column('state', 'text'),
      nullable('owner', 'text'),
      column('fence', 'integer'),
      nullable('lease_until', 'timestamp with time zone'),
      nullable('stop_code', 'text'),
      column('done', 'bigint'),
      column('failed', 'bigint'),
    ],
    primaryKey: { name: 'mortise_job_shard_pk', columns: ['job_id', 'shard'] },
    uniques: [],
    partialUniques: [],
    references: [jobReference('mortise_job_shard_job_fk')],
  },
  {
    name: 'mortise_job_row',
    columns: [
      column('job_id', 'text'),
      column('shard', 'integer'),
      column('row_key', 'text'),
      column('column_name', 'text'),
      column('code', 'text'),
      column('amount', 'integer'),
    ],
    primaryKey: {
      name: 'mortise_job_row_pk',
      columns: ['job_id', 'shard', 'row_key', 'column_name'],
    },
    uniques: [],
    partialUniques: [],
    references: [jobReference('mortise_job_row_job_fk')],
  },
]

/**
 * Everything that mortise keeps in a database.
 *
 * `createTables()` and the TypeORM layer both build from this list, with every constraint named, so
 * that tables made by one are complete in the eyes of the other.
 */
export const MORTISE_TABLES: readonly TableDefinition[] = [...KEY_STORE_TABLES, ...JOB_TABLES]

function jobReference(name: string): ReferenceDefinition {
  const job = { table: 'mortise_job', referenced: ['id'] }
  return { name, columns: ['job_id'], ...job, onDelete: 'CASCADE' }
}

function column(name: string, type: ColumnDefinition['type']): ColumnDefinition {
  return { name, type, nullable: false }
}

function nullable(name: string, type: ColumnDefinition['type']): ColumnDefinition {
  return { name, type, nullable: true }
}
