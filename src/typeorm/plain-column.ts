import type { ColumnOptions, ColumnType, EntitySchemaColumnOptions } from 'typeorm'
import { type AdoptionState, readsPlain, writesPlain } from '../adoption/adoption-state'
import type { ValueType } from '../envelope/value-type'
import { MortiseError } from '../errors'
import { type FieldType, resolveFieldType } from '../field/field-type'

/** The options of the `@Column` that a property had, as far as an adopted column has them. */
export type PlainColumnOptions = Omit<
  ColumnOptions,
  'name' | 'primary' | 'array' | 'select' | 'insert' | 'update' | 'comment'
>

/** How an existing column becomes an encrypted property. */
export interface AdoptDeclaration {
  /**
   * The column that holds the values now, as `name` in `@Column`. It keeps its name; the envelope goes
   * to the column `name`.
   */
  readonly from: string
  /**
   * `dual` and `backfilled` read the former column, `verified` and `sealed` the envelope; until
   * `sealed`, every write keeps both in step.
   */
  readonly state: AdoptionState
  /**
   * The options of the `@Column` that the property had: its type, length, transformer… The transformer
   * is how values of another encryption are read and written meanwhile.
   *
   * @defaultValue what `@Column()` makes of the property's type
   */
  readonly column?: PlainColumnOptions | undefined
}

/** The part of a declaration that an adopted column follows. */
interface Declared {
  readonly type: FieldType
  readonly name?: string | undefined
  readonly nullable?: boolean | undefined
  readonly select?: boolean | undefined
  readonly insert?: boolean | undefined
  readonly update?: boolean | undefined
}

/** What TypeORM makes of a property without options. */
const DEFAULT_TYPES: Readonly<Record<ValueType, ColumnType>> = {
  string: 'character varying',
  number: 'integer',
  bigint: 'bigint',
  boolean: 'boolean',
  timestamp: 'timestamp without time zone',
  date: 'date',
  bytes: 'bytea',
  json: 'jsonb',
}

const TEXTS = ['varchar', 'character varying', 'text', 'citext', 'uuid', 'enum', 'simple-enum']
const DECIMALS = ['int8', 'bigint', 'numeric', 'decimal']
const INTEGERS = ['int', 'int2', 'int4', 'integer', 'smallint']
const FLOATS = ['float', 'float4', 'float8', 'real', 'double precision']
const TIMES = [
  'timestamp',
  'timestamptz',
  'timestamp with time zone',
  'timestamp without time zone',
]

/** Column types by the type of the values that TypeORM and `pg` read from them. */
const SOURCES: Readonly<Record<ValueType, readonly unknown[]>> = {
  string: [...TEXTS, ...DECIMALS, String],
  number: [...INTEGERS, ...FLOATS, Number],
  bigint: [],
  boolean: ['bool', 'boolean', Boolean],
  timestamp: [...TIMES, Date],
  date: ['date'],
  bytes: ['bytea'],
  json: ['json', 'jsonb', 'simple-json', 'simple-array'],
}

/**
 * Describes the adopted column as TypeORM had it before.
 *
 * @param name - `Entity.property`
 * @throws ERR_FIELD_INVALID for what cannot be adopted, naming the fix
 */
export function describePlainColumn(
  declared: Declared,
  adopt: AdoptDeclaration,
  name: string,
): EntitySchemaColumnOptions {
  const { state } = adopt
  const valueType = resolveFieldType(declared.type, name)
  const column = { ...adopt.column, type: adopt.column?.type ?? DEFAULT_TYPES[valueType] }
  checkAdoption(declared, adopt, name)
  checkSource(valueType, column, name)
  const { nullable = declared.nullable ?? false } = column
  const { insert = true, update = true, select = true } = declared
  return {
    ...(column as EntitySchemaColumnOptions),
    name: adopt.from,
    // Once nothing writes it any more it is emptied; until then it may be had back.
    nullable: nullable || !readsPlain(state),
    insert: insert && writesPlain(state),
    update: update && writesPlain(state),
    select: select && readsPlain(state),
  }
}

function checkAdoption(
  declared: Declared,
  { from, state, column }: AdoptDeclaration,
  name: string,
): void {
  const options: object = column ?? {}
  const refused = ['name', 'primary', 'array', 'generated', 'generatedType', 'zerofill'].find(
    (option) => Object.hasOwn(options, option) && Reflect.get(options, option) !== undefined,
  )
  const problem =
    typeof from !== 'string' || from === ''
      ? 'adopt.from names the column that holds the values now'
      : declared.name === undefined || declared.name === from
        ? `the envelope needs a column beside '${from}': give its name, for example name: '${from}_sealed'`
        : refused !== undefined
          ? `a column with the option '${refused}' cannot be adopted`
          : column?.default !== undefined && !readsPlain(state)
            ? 'the database would write the default of its column in clear: set it in the class'
            : undefined
  if (problem) throw invalid(name, problem)
}

/** What the entity had must be what the field seals, for reads in all states to be the same. */
function checkSource(
  valueType: ValueType,
  { type, transformer }: ColumnOptions,
  name: string,
): void {
  if (transformer || SOURCES[valueType].includes(type)) return
  const accepted = SOURCES[valueType].filter((one) => typeof one === 'string').join(', ')
  throw invalid(
    name,
    `a column of type ${typeof type === 'function' ? type.name : type} does not give values of type ` +
      `${valueType}${accepted && ` (${accepted} do)`}: declare adopt.column with the type that it has, ` +
      'and a transformer where the values differ',
  )
}

function invalid(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_FIELD_INVALID', `${field}: ${problem}`, { field })
}
