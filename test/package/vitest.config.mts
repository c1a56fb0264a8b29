import { defineConfig } from 'vitest/config'
import { SummaryReporter } from '../../scripts/summary-reporter.mjs'

// Packs the package once and installs it into throw-away projects: minutes, not seconds, and it
// needs the npm registry. Kept out of `npm test` for that reason.
export default defineConfig({
  test: {
    reporters: ['default', new SummaryReporter()],
    include: ['test/package/*.test.ts'],
    globalSetup: ['test/package/pack.ts', 'test/postgres.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
})
