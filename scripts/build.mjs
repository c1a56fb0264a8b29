// Compiles src/ to CommonJS and puts a thin ES module beside every entry point of package.json, so
// that `require` and `import` answer with one and the same instance.
//
// Usage: node scripts/build.mjs [folder]     the folder is emptied first; default: dist
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const require = createRequire(import.meta.url)

const dist = resolve(root, process.argv[2] ?? 'dist')
rmSync(dist, { recursive: true, force: true })
compile()
for (const file of entryPoints()) writeModule(file)
for (const file of commands()) chmodSync(join(dist, file), 0o755)

/** Diagnostics go to stderr: the demo's JSON document is alone on stdout. */
function compile() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist]
  try {
    execFileSync(process.execPath, args, { stdio: ['ignore', 2, 2] })
  } catch {
    process.exit(1)
  }
}

/** The file of every command, relative to the output folder. */
function commands() {
  return Object.values(manifest().bin).map(inDist)
}

/** The CommonJS file of every entry point, relative to the output folder, for example `index.js`. */
function entryPoints() {
  return Object.values(manifest().exports)
    .filter((target) => typeof target !== 'string')
    .map((target) => inDist(target.require.default))
}

function manifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
}

function inDist(path) {
  return path.replace(/^\.\/dist\//, '')
}

/** Names are listed one by one: Node then never has to guess what the CommonJS file exports. */
function writeModule(file) {
  const names = Object.keys(require(join(dist, file))).sort()
  const source = `./${basename(file)}`
  const stem = join(dist, file.replace(/\.js$/, ''))
  writeFileSync(
    `${stem}.mjs`,
    `import cjs from '${source}'\n\nexport const {\n${names.map((name) => `  ${name},\n`).join('')}} = cjs\n`,
  )
  writeFileSync(`${stem}.d.mts`, `export * from '${source}'\n`)
}
