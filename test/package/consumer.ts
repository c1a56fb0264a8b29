import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
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
  const consumer = consumerIn(newFolder())
  consumer.write('package.json', JSON.stringify({ name: 'consumer', private: true }))
  install(consumer, packages)
  return consumer
}

/** A package.json, as far as {@link createProject} changes it. */
export type ProjectManifest = Record<string, unknown> & {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

/**
 * Copies a project of this repository to a place outside of it, and installs its dependencies with the
 * tarball for `mortise`.
 *
 * @param source - path from the root of the repository
 * @param change - edits the copy's package.json
 */
export function createProject(
  source: string,
  change: (manifest: ProjectManifest) => void = () => {},
): Consumer {
  const consumer = consumerIn(newFolder())
  const own = (path: string) => !/(^|\/)(node_modules|dist)$/.test(path)
  cpSync(resolve(__dirname, '../..', source), consumer.folder, { recursive: true, filter: own })
  const manifest = JSON.parse(readFileSync(join(consumer.folder, 'package.json'), 'utf8'))
  change(manifest)
  consumer.write('package.json', JSON.stringify(manifest))
  install(consumer, [])
  return consumer
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'mortise-consumer-'))
}

function consumerIn(folder: string): Consumer {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  return { folder, write, node: (...args) => run(process.execPath, args, folder) }
}

function install({ folder }: Consumer, packages: readonly string[]): void {
  const args = ['install', '--no-audit', '--no-fund', inject('tarball').path, ...packages]
  const { code, output } = run('npm', args, folder)
  if (code !== 0) throw new Error(`npm install ended with ${code}\n${output}`)
}

/** Removes a consumer's folder. */
export function removeConsumer(consumer: Consumer): void {
  rmSync(consumer.folder, { recursive: true, force: true })
}
