import 'reflect-metadata'
import {
  Check,
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  VersionColumn,
} from 'typeorm'
import { Encrypted } from '../../../src/typeorm'

/** Every type, stored and indexed in every way. */
@Entity()
@Check('ward_is_known', `"ward" <> 'closed'`)
export class Holder {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: { normalize: 'email', unique: true } }) email!: string
  @Encrypted({ type: 'string', exact: { bits: 8 }, range: { prefix: 2 }, nullable: true })
  surname!: string | null
  @Encrypted({ type: 'number', range: { step: 10_000 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'bigint', exact: true, range: { step: 10n ** 15n }, nullable: true })
  account!: bigint | null
  @Encrypted({ type: 'date', exact: true, range: { truncate: 'year' }, nullable: true })
  born!: string | null
  @Encrypted({ type: 'timestamp', exact: true, range: { truncate: 'year' }, nullable: true })
  seen!: Date | null
  @Encrypted({ type: 'bytes', exact: true, nullable: true }) badge!: Uint8Array | null
  @Encrypted({ type: 'json', nullable: true }) chart!: unknown
  @Encrypted({ type: 'string', column: 'text', pad: 16, nullable: true }) memo!: string | null
  @VersionColumn() version!: number
  @DeleteDateColumn() deletedAt!: Date | null
  @OneToMany('Remark', 'holder', { cascade: true }) remarks!: Remark[]
}

@Entity()
export class Remark {
  @PrimaryColumn('int') id!: number
  @Column('text', { nullable: true }) tenant!: string
  @Encrypted({ type: 'string', exact: true, subject: 'tenant', nullable: true })
  body!: string | null
  @ManyToOne('Holder', 'remarks', { onDelete: 'CASCADE' }) holder!: Holder
}

/** What no place may hold: the common part of all values that are written and asked for. */
export const STEMS = [
  'xylophone.quagga',
  'wolfeschlegel',
  '.328125',
  '987654321098',
  '1887-11-',
  '1893-10-',
  'bytecanary',
  'zwieback',
  'memorandum',
  'marginalia',
] as const

/** Stands in a plain column: what holds it could have held the others. */
export const CONTROL = 'controlward'

/** Unlikely values; `n` makes them different. */
export function canaries(n: number) {
  return {
    ward: CONTROL,
    email: `Xylophone.Quagga${n}@Example.org`,
    surname: `Wolfeschlegelstein${n}`,
    income: 48_000 + n + 0.328125,
    account: 987_654_321_098_000_000n + BigInt(n),
    born: `1887-11-${String(1 + (n % 30)).padStart(2, '0')}`,
    seen: new Date(Date.UTC(1893, 9, 1 + (n % 30), 3, 4, 5, 678)),
    badge: Buffer.from(`bytecanary-${n}`),
    chart: { allergies: [`zwieback-${n}`, { memo: `memorandum-${n}` }] },
    memo: `memorandum-${n}`,
  }
}

export const holder = (id: number) => ({ id, ...canaries(id) })
export const remark = (id: number) => ({ id, tenant: 't1', body: `marginalia-${id}` })
