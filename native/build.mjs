// Builds the addon of the native path for this platform: prebuilds/PLATFORM-ARCH/mortise.node.
//
// Usage: node native/build.mjs [--install]
//
// With --install, as the package's install script, it does nothing where an addon is there that loads
// and is as new as its sources, and never fails: without a compiler mortise works in JavaScript.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const folder = import.meta.dirname
const built = join(folder, 'build', 'Release', 'mortise.node')
const addon = join(
  ...[folder, '..', 'prebuilds', `${process.platform}-${process.arch}`, 'mortise.node'],
)
const installing = process.argv.includes('--install')

if (!installing) build()
else if (!isCurrent()) tryToBuild()

function isCurrent() {
  if (!existsSync(addon)) return false
  const newest = Math.max(...sources().map((file) => statSync(file).mtimeMs))
  return statSync(addon).mtimeMs >= newest && loads()
}

function sources() {
  return readdirSync(folder)
    .filter((name) => /\.(c|h|gyp)$/.test(name))
    .map((name) => join(folder, name))
}

/** In a process of its own: an addon that is loaded cannot be replaced on every platform. */
function loads() {
  const load = `require(${JSON.stringify(addon)}).run`
  try {
    execFileSync(process.execPath, ['-e', load], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function tryToBuild() {
  try {
    build()
  } catch {
    console.log('mortise: the native path could not be built here; it works in JavaScript instead')
  }
}

function build() {
  const options = ['--directory', folder, ...headers()]
  execFileSync(process.execPath, [nodeGyp(), 'rebuild', '--silent', ...options], {
    // The demo's JSON document is alone on stdout; a failed attempt is told in one line.
    stdio: ['ignore', installing ? 'ignore' : 2, installing ? 'ignore' : 2],
  })
  mkdirSync(dirname(addon), { recursive: true })
  // A process may have the old one loaded: it keeps that file.
  copyFileSync(built, `${addon}.new`)
  renameSync(`${addon}.new`, addon)
}

/** The headers that Node was installed with, where it was: node-gyp would download them. */
function headers() {
  const root = join(dirname(process.execPath), '..')
  const own = existsSync(join(root, 'include', 'node', 'node_api.h'))
  return own && !process.env.npm_config_nodedir ? ['--nodedir', root] : []
}

/** npm's own: npm tells its scripts where it is. */
function nodeGyp() {
  const told = process.env.npm_config_node_gyp
  if (told && existsSync(told)) return told
  const npm = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'package.json')
  return createRequire(npm).resolve('node-gyp/bin/node-gyp.js')
}
