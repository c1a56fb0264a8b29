// What every table names: a figure without its machine and versions says nothing.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { join } from 'node:path'

const require = createRequire(import.meta.url)

export function conditions() {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version.slice(1),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? process.arch}`,
    typeorm: installedVersion('typeorm'),
    mortise: require('../../package.json').version,
  }
}

/** The version of a package, or null where it is not installed; its exports need not show it. */
export function installedVersion(name) {
  for (const folder of require.resolve.paths(name)) {
    const file = join(folder, name, 'package.json')
    if (existsSync(file)) return require(file).version
  }
  return null
}
