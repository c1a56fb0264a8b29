import { Encrypted } from 'mortise/typeorm'
import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm'

export interface Chart {
  allergies: string[]
}

@Entity()
export class Patient {
  @PrimaryGeneratedColumn('uuid')
  id!: string

  @Column('text')
  ward!: string

  /** Found by equality; no two patients have the same. */
  @Encrypted({ exact: { normalize: 'email', unique: true } })
  email!: string

  /** `'1815-12-10'`; the database knows the year, which serves ranges and order. */
  @Encrypted({ type: 'date', range: { truncate: 'year' } })
  birthDate!: string

  /** Not searched for, so the database knows nothing of it. */
  @Encrypted({ type: 'json', nullable: true })
  chart!: Chart | null

  @CreateDateColumn()
  registeredAt!: Date
}
