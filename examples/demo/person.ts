import { Encrypted } from 'mortise/typeorm'
import { Column, Entity, PrimaryColumn } from 'typeorm'

export interface MedicalRecord {
  bloodGroup: string
  allergies: string[]
  visits: number
}

/** What each index column reveals is in docs/leakage.md; the more of them, the more they say together. */
@Entity()
export class Person {
  @PrimaryColumn() id!: number

  @Column() ward!: string

  @Encrypted() givenName!: string

  @Encrypted({ exact: { normalize: 'lowercase' }, range: { prefix: 1 } }) surname!: string

  @Encrypted({ exact: { normalize: 'email', unique: true } }) email!: string

  @Encrypted({ type: 'number', range: { step: 10_000 } }) income!: number

  @Encrypted({ type: 'date', exact: true, range: { truncate: 'month' } }) birthDate!: string

  @Encrypted({ type: 'number', range: { decimals: 1 } }) latitude!: number

  @Encrypted({ type: 'number', range: { decimals: 1 } }) longitude!: number

  @Encrypted({ type: 'json', nullable: true }) record!: MedicalRecord | null
}
