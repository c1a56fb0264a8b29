import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * A vitest reporter whose one line, `N passed, N failed`, is the last one of the run, so that a
 * script can add runs up. Before it stands a line `failed: …` for each failure: a gate can repeat
 * these at its own end, where a log that is cut at the front still has them.
 *
 * It also holds on to the exit code: a package that stops its child processes in an exit hook (the
 * embedded PostgreSQL of the tests) ends the process with 0, whatever vitest had set.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const run: Run = { passed: 0, skipped: 0, failures: [] }
    for (const error of unhandledErrors) fail(run, 'outside of any test', [error])
    for (const module of modules) count(run, module)
    process.once('exit', () => close(run))
  }
}

interface Run {
  passed: number
  skipped: number
  failures: string[]
}

function count(run: Run, module: TestModule): void {
  const file = `${module.project.name} ${module.relativeModuleId}`
  for (const error of module.errors()) fail(run, file, [error])
  for (const suite of module.children.allSuites()) {
    for (const error of suite.errors()) fail(run, `${file} > ${suite.fullName}`, [error])
  }
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result()
    if (state === 'failed') fail(run, `${file} > ${test.fullName}`, errors)
    else if (state === 'passed') run.passed += 1
    else run.skipped += 1
  }
}

function fail(run: Run, where: string, errors: readonly SerializedError[]): void {
  const messages = errors.map((error) => error.message).join('; ')
  run.failures.push(`${where}: ${messages.replace(/\s+/g, ' ').slice(0, 400)}`)
}

function close({ passed, skipped, failures }: Run): void {
  if (failures.length > 0) process.exitCode = 1
  const lines = failures.map((failure) => `failed: ${failure}\n`).join('')
  const left = skipped > 0 ? `, ${skipped} skipped` : ''
  writeSync(1, `${lines}${passed} passed, ${failures.length} failed${left}\n`)
}
