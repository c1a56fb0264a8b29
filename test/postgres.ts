import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres-server'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The maintenance database of the run's PostgreSQL; tests work in databases of their own. */
    databaseUrl: string
  }
}

/** Runs once for all projects: one real PostgreSQL, stopped and removed when the run ends. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres(['max_prepared_transactions=4'])
  project.provide('databaseUrl', server.url)
  return async () => {
    await server.stop()
    server.remove()
  }
}
