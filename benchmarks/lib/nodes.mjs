// Which Node a part runs on. A newer one than that of the developer comes from npm's package `node`,
// which `npm ci` in this folder installs.
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

/**
 * @param majors - `['20', '24']`; undefined for the Node that runs this
 * @returns paths of executables
 */
export function executablesFor(majors) {
  if (majors === undefined) return [process.execPath]
  const known = new Map([[majorOf(process.version), process.execPath]])
  const packaged = packagedNode()
  if (packaged !== null) {
    const version = execFileSync(packaged, ['--version'], { encoding: 'utf8' })
    known.set(majorOf(version), packaged)
  }
  return majors.map((major) => {
    const path = known.get(major)
    if (path === undefined) {
      const have = [...known.keys()].join(' and ')
      throw new Error(`Node ${major} is not at hand, only ${have}: run npm ci in benchmarks/`)
    }
    return path
  })
}

const majorOf = (version) => /^v(\d+)/.exec(version)[1]

function packagedNode() {
  try {
    return join(dirname(require.resolve('node/package.json')), 'bin/node')
  } catch {
    return null
  }
}
