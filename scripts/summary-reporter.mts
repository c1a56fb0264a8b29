import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * A vitest reporter whose one line, `N passed, N failed`, is the last one of the run, so that a
 * script can add runs up.
 *
 * It also holds on to the exit code: a package that stops its child processes in an exit hook (the
 * embedded PostgreSQL of the tests) ends the process with 0, whatever vitest had set.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      counts.failed += module.errors().length
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        counts[state === 'pending' ? 'skipped' : state] += 1
      }
    }
    process.once('exit', () => close(counts))
  }
}

function close(counts: { passed: number; failed: number; skipped: number }): void {
  if (counts.failed > 0) process.exitCode = 1
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  writeSync(1, `${counts.passed} passed, ${counts.failed} failed${skipped}\n`)
}
