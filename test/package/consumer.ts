import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type Outcome, run } from './command'

/** A throw-away project, outside the repository, that has installed the tarball. */
export interface Consumer {
  readonly folder: string
  /** Writes a file into the project. */
  write(name: string, text: string): void
  /** Runs a Node script: a file of the project, or a package's command by its path. */
  node(...args: string[]): Outcome
}

/**
 * Makes a project and installs the tarball into it beside `packages`.
 *
 * @param packages - as given to `npm install`; optional peers are there only if named
 */
export function createConsumer(packages: readonly string[] = []): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-consumer-'))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('package.json', JSON.stringify({ name: 'consumer', private: true }))
  const args = ['install', '--no-audit', '--no-fund', inject('tarball').path, ...packages]
  const { code, output } = run('npm', args, folder)
  if (code !== 0) throw new Error(`npm install ended with ${code}\n${output}`)
  return { folder, write, node: (...args) => run(process.execPath, args, folder) }
}

/** Removes a consumer's folder. */
export function removeConsumer(consumer: Consumer): void {
  rmSync(consumer.folder, { recursive: true, force: true })
}
