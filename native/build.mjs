// Builds the addon of the native path for this platform: prebuilds/PLATFORM-ARCH/mortise.node.
//
// Usage: node native/build.mjs [--install]
//
// With --install, as the package's install script, it does nothing where an addon of these sources is
// there that loads, and never fails: without a compiler mortise works in JavaScript.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const folder = import.meta.dirname
const working = join(folder, 'build')
const target = join(folder, '..', 'prebuilds', `${process.platform}-${process.arch}`)
const addon = join(target, 'mortise.node')
/** Beside the addon: what it was built from. Times of files say nothing after an installation. */
const stamp = join(target, 'sources.sha256')
/** Of an installation, in milliseconds: node-gyp may wait for headers that it cannot download. */
const PATIENCE_MS = 120_000
const installing = process.argv.includes('--install')

if (!installing) build()
else if (!isCurrent()) tryToBuild()

function isCurrent() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hashOfSources() && loads()
}

function hashOfSources() {
  const hash = createHash('sha256')
  const sources = readdirSync(folder).filter((name) => /\.(c|h|gyp)$/.test(name))
  for (const name of sources.sort()) hash.update(name).update(readFileSync(join(folder, name)))
  return hash.digest('hex')
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
  // The demo's JSON document is alone on stdout; a failed attempt is told in one line.
  const output = installing ? 'ignore' : 2
  try {
    execFileSync(process.execPath, [nodeGyp(), 'rebuild', '--silent', ...options], {
      stdio: ['ignore', output, output],
      ...(installing ? { timeout: PATIENCE_MS } : {}),
    })
    mkdirSync(target, { recursive: true })
    // A process may have the old one loaded: it keeps that file.
    copyFileSync(join(working, 'Release', 'mortise.node'), `${addon}.new`)
    renameSync(`${addon}.new`, addon)
    writeFileSync(stamp, hashOfSources())
  } finally {
    rmSync(working, { recursive: true, force: true })
  }
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
