import type { DataSource } from 'typeorm'

/** Something that applications do with TypeORM; what it returns is compared. */
export type Behaviour = (source: DataSource) => Promise<unknown>

/** By name; a name that begins with "fails" is of one that must throw. */
export type Behaviours = Record<string, Behaviour>
