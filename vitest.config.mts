import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './scripts/summary-reporter.mjs'

// Unit and property tests run once. Everything that touches TypeORM runs on both supported lines:
// the second project answers `typeorm` with 0.3.
const timeouts = {
  // For a test that hangs. One that works may start a server while another file has the processors.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  // What is waited for may need a statement of a server that is busy with another file.
  expect: { poll: { timeout: 20_000 } },
}

export default defineConfig({
  test: {
    reporters: ['default', new SummaryReporter()],
    // One PostgreSQL for the whole run, whichever projects it has.
    globalSetup: ['test/postgres.ts'],
    // Tests wait for databases and children most of the time; one worker would leave a core idle.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/typeorm/**', 'test/integration/**', 'test/package/**'],
          ...timeouts,
        },
      },
      {
        test: {
          name: 'typeorm-1',
          include: ['test/typeorm/**/*.test.ts', 'test/integration/**/*.test.ts'],
          ...timeouts,
        },
      },
      {
        resolve: { alias: { typeorm: 'typeorm-0.3' } },
        test: {
          name: 'typeorm-0.3',
          include: ['test/typeorm/**/*.test.ts', 'test/integration/**/*.test.ts'],
          ...timeouts,
        },
      },
    ],
  },
})
