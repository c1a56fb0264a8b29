import 'reflect-metadata'
import { Column, type DataSource, Entity, ManyToOne, OneToMany, PrimaryColumn } from 'typeorm'
import { Encrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { setUp } from './people'

/** Every kind of property that queries ask about, encrypted. */
@Entity()
export class Sealed {
  @PrimaryColumn('int') id!: number
  @Column('text', { nullable: true }) ward!: string | null
  @Encrypted({ type: 'number', range: { step: 10_000 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'number', exact: true, range: { edges: [-5, 0, 7.5] }, nullable: true })
  score!: number | null
  @Encrypted({ type: 'date', exact: true, range: { truncate: 'month' }, nullable: true })
  born!: string | null
  @Encrypted({ type: 'timestamp', range: { truncate: 'day' }, nullable: true }) seen!: Date | null
  @Encrypted({ type: 'bigint', exact: true, range: { step: 1000n }, nullable: true })
  account!: bigint | null
  @Encrypted({ type: 'string', exact: { bits: 8 }, range: { prefix: 2 }, nullable: true })
  surname!: string | null
  @Encrypted({ type: 'string', exact: { normalize: 'lowercase' }, nullable: true })
  code!: string | null
  @Encrypted({ type: 'string', exact: { normalize: 'lowercase', bits: 8 }, nullable: true })
  nick!: string | null
  @Encrypted({
    type: 'boolean',
    exact: true,
    acceptLeakage: 'test data, invented',
    nullable: true,
  })
  smoker!: boolean | null
  @OneToMany('SealedVisit', 'owner') visits!: SealedVisit[]
}

@Entity()
export class SealedVisit {
  @PrimaryColumn('int') id!: number
  @Column('text') room!: string
  @Encrypted({ type: 'number', range: { step: 5 }, nullable: true }) weight!: number | null
  @Encrypted({ type: 'string', exact: { bits: 8 } }) note!: string
  @ManyToOne('Sealed', 'visits', { nullable: true }) owner!: Sealed | null
}

/** The same in clear: what PostgreSQL answers is what the encrypted entity must answer. */
@Entity()
export class Clear {
  @PrimaryColumn('int') id!: number
  @Column('text', { nullable: true }) ward!: string | null
  @Column('double precision', { nullable: true }) income!: number | null
  @Column('double precision', { nullable: true }) score!: number | null
  @Column('date', { nullable: true }) born!: string | null
  @Column('timestamptz', { nullable: true }) seen!: Date | null
  @Column('numeric', { nullable: true }) account!: bigint | null
  @Column({ type: 'text', nullable: true, collation: 'C' }) surname!: string | null
  @Column({ type: 'text', nullable: true, collation: 'C' }) code!: string | null
  @Column({ type: 'text', nullable: true, collation: 'C' }) nick!: string | null
  @Column('boolean', { nullable: true }) smoker!: boolean | null
  @OneToMany('ClearVisit', 'owner') visits!: ClearVisit[]
}

@Entity()
export class ClearVisit {
  @PrimaryColumn('int') id!: number
  @Column('text') room!: string
  @Column('double precision', { nullable: true }) weight!: number | null
  @Column({ type: 'text', collation: 'C' }) note!: string
  @ManyToOne('Clear', 'visits', { nullable: true }) owner!: Clear | null
}

/** Few values, many of them on either side of a bucket's boundary: duplicates are the rule. */
export const VALUES = {
  ward: ['A', 'B', 'C'],
  income: [-10_000, -0.5, 0, 9_999.5, 10_000, 10_000.5, 19_999, 20_000, 25_000, 3e15],
  score: [-7, -5, -0.1, 0, 7, 7.5, 7.6, 1e300],
  born: ['1899-12-31', '1950-01-31', '1950-02-01', '1950-02-15', '1950-02-28', '2000-02-29'],
  seen: ['1999-12-31T23:59:59.999Z', '2000-01-01T00:00:00Z', '2000-01-01T12:00:00.001Z'].map(
    (text) => new Date(text),
  ),
  account: [-1001n, -1000n, -1n, 0n, 999n, 1000n, 1001n, 10n ** 30n, 10n ** 30n + 1n],
  surname: [
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
  ],
  code: ['x1', 'X1', 'y2', 'Y2', 'z3'],
  nick: ['Ann', 'ann', 'ANN', 'Bob', 'bob', 'Cid'],
  smoker: [true, false],
} as const

export const VISIT_VALUES = {
  room: ['R1', 'R2'],
  weight: [-5, -0.5, 0, 4.9, 5, 5.1, 12],
  note: ['in', 'out', 'OUT', ''],
} as const

/** Normalised properties are equal in clear where their normalised values are. */
export function inClear(property: string, value: unknown): unknown {
  return property === 'code' || property === 'nick' ? (value as string).toLowerCase() : value
}

/** A database of its own with both twins, filled, for one test file. */
export async function openTwins(
  count: number,
): Promise<{ dataSource: DataSource; close(): Promise<void> }> {
  const database = await createDatabase()
  const options = { logger: 'debug', logging: false }
  const { dataSource } = await setUp(
    database.url,
    [Sealed, SealedVisit, Clear, ClearVisit],
    options,
  )
  await fillTwins(dataSource, count)
  return {
    dataSource,
    close: async () => {
      await dataSource.destroy()
      await database.drop()
    },
  }
}

type Row = Record<string, unknown>

/** Saves the same rows in both tables of each pair. */
async function fillTwins(dataSource: DataSource, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, id) => drawRow(id, VALUES))
  const visits = Array.from({ length: count * 2 }, (_, id) => ({
    ...drawRow(id, VISIT_VALUES),
    note: VISIT_VALUES.note[id % 4],
    room: VISIT_VALUES.room[id % 2],
    owner: id % 11 === 0 ? null : { id: draw(id, 99) % count },
  }))
  await dataSource.getRepository(Sealed).insert(rows as never[])
  await dataSource.getRepository(Clear).insert(rows.map(clearRow) as never[])
  await dataSource.getRepository(SealedVisit).insert(visits as never[])
  await dataSource.getRepository(ClearVisit).insert(visits as never[])
}

function drawRow(id: number, values: Readonly<Record<string, readonly unknown[]>>): Row {
  const entries = Object.entries(values).map(([property, choices], index) => {
    const drawn = draw(id, index)
    return [property, drawn % 5 === 0 ? null : choices[(drawn >>> 3) % choices.length]]
  })
  return { id, ...Object.fromEntries(entries) }
}

function clearRow(row: Row): Row {
  const entries = Object.entries(row).map(([property, value]) => [
    property,
    value === null ? null : inClear(property, value),
  ])
  return Object.fromEntries(entries)
}

/** A fixed pseudo-random number of 32 bits, so that every run has the same rows. */
function draw(row: number, column: number): number {
  let mixed = Math.imul(row + 1, 0x9e3779b1) ^ Math.imul(column + 1, 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39)
  return (mixed ^ (mixed >>> 15)) >>> 0
}
