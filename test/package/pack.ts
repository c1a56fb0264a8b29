import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { run } from './command'

/** What `npm pack --json` tells about the tarball. */
export interface Tarball {
  /** Absolute path of the .tgz file. */
  readonly path: string
  /** Compressed size in bytes. */
  readonly size: number
  readonly files: readonly { readonly path: string; readonly size: number }[]
}

declare module 'vitest' {
  interface ProvidedContext {
    tarball: Tarball
  }
}

/** Builds and packs the package once for all packaging tests. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-package-'))
  mustRun('node', ['scripts/build.mjs'])
  const packed = mustRun('npm', [
    'pack',
    '--json',
    '--ignore-scripts',
    '--pack-destination',
    folder,
  ])
  const [{ filename, size, files }] = JSON.parse(packed)
  project.provide('tarball', { path: join(folder, filename), size, files })
  return () => rmSync(folder, { recursive: true, force: true })
}

function mustRun(command: string, args: string[]): string {
  const { code, stdout, output } = run(command, args, process.cwd())
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output}`)
  return stdout
}
