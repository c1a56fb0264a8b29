import 'reflect-metadata'
import { Column, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import type { AdoptionState } from '../../../src/adoption/adoption-state'
import { Encrypted } from '../../../src/typeorm'
import { type Instance, startInstance } from './start-instance'

/** The application as it was, in the states of its adoption, and as it is at the end. */
export type Version = 'before' | AdoptionState | 'after'

export interface Person {
  id: number
  ward: string | null
  email: string | null
  income: number | null
  born: string | null
  seen: Date | null
  smoker: boolean | null
  chart: unknown
}

type PersonClass = new () => Person

/** Columns in clear, and how they are encrypted. */
const PROPERTIES = {
  email: {
    column: { type: 'text', nullable: true, collation: 'C' },
    sealed: { type: 'string', exact: { unique: true }, range: { prefix: 2 } },
  },
  income: {
    column: { type: 'double precision', nullable: true },
    sealed: { type: 'number', exact: true, range: { step: 10_000 } },
  },
  born: {
    column: { type: 'date', nullable: true },
    sealed: { type: 'date', exact: true, range: { truncate: 'month' } },
  },
  seen: {
    column: { type: 'timestamptz', nullable: true },
    sealed: { type: 'timestamp', exact: true, range: { truncate: 'day' } },
  },
  smoker: {
    column: { type: 'boolean', nullable: true },
    sealed: { type: 'boolean', exact: true, acceptLeakage: 'test data, invented' },
  },
  chart: { column: { type: 'jsonb', nullable: true }, sealed: { type: 'json' } },
} as const

/** The entity of one version of the application. */
function personIn(version: Version): PersonClass {
  class Person {}
  const prototype = Person.prototype as never
  PrimaryColumn('int')(prototype, 'id')
  Column('text', { nullable: true })(prototype, 'ward')
  for (const [name, { column, sealed }] of Object.entries(PROPERTIES)) {
    if (version === 'before') {
      Column(column)(prototype, name)
      continue
    }
    const adopt = { from: name, state: version as AdoptionState, column }
    Encrypted({
      ...sealed,
      nullable: true,
      name: `${name}_sealed`,
      ...(version === 'after' ? {} : { adopt }),
    })(prototype, name)
  }
  Entity('person')(Person)
  return Person as PersonClass
}

/** Starts an instance of a version of the application. */
export function startVersion(
  url: string,
  version: Version,
  secret: string,
  options: Partial<DataSourceOptions> = {},
): Promise<Instance<Person>> {
  const place = { url, secret: version === 'before' ? null : secret }
  return startInstance(place, personIn(version), options)
}
