import type { DataSourceOptions } from 'typeorm'
import { CreatePatients1790000000000 } from './migrations/1790000000000-create-patients.js'
import { Patient } from './patients/patient.entity.js'

/** For the application and for TypeORM's command line, which knows nothing of Nest. */
export function databaseOptions(): DataSourceOptions {
  return {
    type: 'postgres',
    url: process.env.DATABASE_URL,
    entities: [Patient],
    migrations: [CreatePatients1790000000000],
    migrationsRun: true,
  }
}
