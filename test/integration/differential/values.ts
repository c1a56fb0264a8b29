import type { ColumnOptions } from 'typeorm'
import type { ValueType } from '../../../src/envelope/value-type'
import type { EncryptedOptions } from '../../../src/typeorm'
import type { Random } from './random'

/** One property of an entity: the same on both twins, but for how it is stored. */
export interface Property {
  /** Unique in its graph. */
  readonly name: string
  readonly type: ValueType
  /** How it is declared on the encrypted twin; undefined for a column that is plain on both. */
  readonly sealed: EncryptedOptions | undefined
  readonly nullable: boolean
  readonly select: boolean
  readonly unique: boolean
  /** Equality ignores case. */
  readonly folded: boolean
  /** What it is drawn from, where that is not all of its type. */
  readonly pool?: readonly unknown[]
}

/** What an entity's shape lets a property declare. */
export interface Surroundings {
  /** There is a plain property `tenant`. */
  readonly hasTenant: boolean
  /** The primary key is one column, made by the application. */
  readonly bindable: boolean
}

/** Few values, many of them on either side of a bucket's boundary: duplicates are the rule. */
const POOLS: Readonly<Record<ValueType, readonly unknown[]>> = {
  string: [
    '',
    'A',
    'Ab',
    'Abel',
    'Abraham',
    'ab',
    'Çelik',
    'Ça',
    '！x',
    '\u{1f600}',
    '\u{1f600}a',
    "O'N",
    '%_\\',
  ],
  number: [-10_000, -5, -0.5, 0, 5, 7.5, 9_999.5, 10_000, 10_000.5, 25_000, 3e15],
  bigint: [-1001n, -1000n, -1n, 0n, 999n, 1000n, 1001n, 10n ** 30n, 10n ** 30n + 1n],
  boolean: [true, false],
  timestamp: [
    '1969-12-31T23:59:59.999Z',
    '1999-12-31T23:59:59.999Z',
    '2000-01-01T00:00:00Z',
    '2000-01-01T12:00:00.001Z',
    '2024-02-29T08:30:00Z',
  ].map((text) => new Date(text)),
  date: ['1899-12-31', '1999-12-31', '2000-01-01', '2000-01-31', '2000-02-01', '2024-02-29'],
  bytes: ['', '00', 'ff00', 'e101', '6d727431'].map((hex) => Buffer.from(hex, 'hex')),
  json: [{}, [], { a: 1 }, { a: { b: [true, null, 'x'] } }, [1, 2.5, '3'], 'text', 7, false],
}
/** One spelling for each value, so that both twins agree on what a change is. */
const FOLDED = ['ann', 'Bob', 'CID', 'dora', 'Eve-X']

/** The declarations that each type may have on the encrypted twin. */
const acceptLeakage = 'test data, invented'
const DECLARATIONS: Readonly<Record<ValueType, readonly EncryptedOptions[]>> = {
  string: [
    { exact: true },
    { exact: { bits: 8 } },
    { exact: true, range: { prefix: 2 } },
    { exact: { bits: 16 }, range: { prefix: 1 } },
    { range: { prefix: 3 } },
    { exact: true, pad: 32 },
    { exact: true, column: 'text' },
    { exact: true, compress: true },
  ],
  number: [
    { range: { step: 10_000 } },
    { exact: true },
    { exact: true, range: { edges: [-5, 0, 7.5] } },
    { exact: { bits: 8 }, range: { decimals: 0 } },
  ],
  bigint: [{ exact: true, range: { step: 1000n } }, { exact: true }, { range: { step: 7n } }],
  boolean: [
    { exact: true, acceptLeakage },
    { exact: { bits: 8 }, acceptLeakage },
  ],
  timestamp: [
    { range: { truncate: 'day' } },
    { exact: true, range: { truncate: 'year' } },
    { exact: { bits: 8 }, range: { truncate: 'hour' }, acceptLeakage },
  ],
  date: [
    { exact: true, range: { truncate: 'month' } },
    { range: { truncate: 'year' } },
    { exact: true },
    { exact: true, range: { truncate: 'day' }, acceptLeakage },
  ],
  bytes: [{ exact: true }, { exact: { bits: 8 } }, { pad: 16 }],
  json: [{}, { pad: 8 }, { column: 'text' }, { compress: true, pad: 4 }],
}

const PLAIN_TYPES: readonly ValueType[] = [
  'string',
  'number',
  'boolean',
  'timestamp',
  'date',
  'bigint',
  'json',
  'bytes',
]
const SEALED_TYPES: readonly ValueType[] = [
  ...PLAIN_TYPES,
  'string',
  'number',
  'string',
  'number',
  'date',
]

export function drawProperty(
  random: Random,
  name: string,
  { hasTenant, bindable }: Surroundings,
  nullable = random.chance(0.6),
): Property {
  const isSealed = random.chance(0.7)
  const type = random.pick(isSealed ? SEALED_TYPES : PLAIN_TYPES)
  const select = !random.chance(0.08)
  const plain = { name, type, nullable, select, unique: false, folded: false }
  if (!isSealed) return { ...plain, sealed: undefined }
  const unique = type === 'string' && random.chance(0.2)
  const folded = type === 'string' && !unique && random.chance(0.2)
  const bits = random.chance(0.5) ? {} : { bits: 8 }
  const declared: EncryptedOptions = unique
    ? { exact: { unique: true } }
    : folded
      ? { exact: { normalize: 'lowercase', ...bits } }
      : random.pick(DECLARATIONS[type])
  const key = {
    ...(hasTenant && random.chance(0.3) && { subject: 'tenant' }),
    ...(bindable && random.chance(0.1) && { bindRow: true }),
  }
  return { ...plain, unique, folded, sealed: { type, nullable, select, ...key, ...declared } }
}

/** A value of the property, never null. */
export function drawValue(random: Random, { type, unique, folded, pool }: Property): unknown {
  if (pool) return random.pick(pool)
  if (unique) return `u${random.between(1, 300)}`
  return random.pick(folded ? FOLDED : POOLS[type])
}

/** A value to ask for: equal ones may be spelt otherwise. */
export function drawAsked(random: Random, property: Property): unknown {
  const value = drawValue(random, property)
  if (!property.folded) return value
  const text = value as string
  return random.pick([text, text.toLowerCase(), text.toUpperCase()])
}

/** What the twin in clear stores and is asked for. */
export function inClear(property: Property | undefined, value: unknown): unknown {
  return property?.folded && typeof value === 'string' ? value.toLowerCase() : value
}

/** TypeORM gives `numeric` as text. */
const bigintText = {
  to: (value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  from: (value: unknown) => (typeof value === 'string' ? BigInt(value) : value),
}

const COLUMNS: Readonly<Record<ValueType, ColumnOptions>> = {
  string: { type: 'text', collation: 'C' },
  number: { type: 'double precision' },
  bigint: { type: 'numeric', transformer: bigintText },
  boolean: { type: 'boolean' },
  timestamp: { type: 'timestamptz' },
  date: { type: 'date' },
  bytes: { type: 'bytea' },
  json: { type: 'jsonb' },
}

/** The column of a property in clear. */
export function clearColumn({ type, nullable, select, unique }: Property): ColumnOptions {
  return { ...COLUMNS[type], nullable, select, unique }
}

/** Whether an index of the property answers equality; a plain column always does. */
export function knowsEquality({ type, sealed }: Property): boolean {
  return type !== 'json' && (!sealed || sealed.exact !== undefined || sealed.range !== undefined)
}

/** Whether equality alone decides, so that statements which open nothing may ask for it. */
export function knowsExactly({ type, sealed }: Property): boolean {
  if (type === 'json') return false
  if (!sealed) return true
  return sealed.exact === true || (typeof sealed.exact === 'object' && !sealed.exact.bits)
}

export function knowsOrder({ type, sealed }: Property): boolean {
  return sealed ? sealed.range !== undefined : type !== 'json'
}

/** LIKE with a prefix. */
export function knowsPrefix({ type, sealed }: Property): boolean {
  if (type !== 'string') return false
  return !sealed || (typeof sealed.range === 'object' && 'prefix' in sealed.range)
}
