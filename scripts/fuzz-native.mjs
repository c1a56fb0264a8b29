// Feeds the addon of the native path malformed pages under AddressSanitizer and UBSan.
//
// Usage: npm run fuzz:native -- [--seconds 60] [--seed N]
//
// Builds a variant of native/*.c into a temporary folder, and runs scripts/fuzz-native/child.mjs with
// it. The seed is printed; with it the same pages come again.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..')
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
})
const seed = values.seed ?? String(Math.trunc(Math.random() * 2 ** 32))

const FAULTS = 'scripts/fuzz-native/faults.c'
const headers = join(dirname(process.execPath), '..', 'include', 'node')
const DIALECT = ['-std=gnu11', '-DNAPI_VERSION=8', '-I', headers, '-I', 'native']

const folder = mkdtempSync(join(tmpdir(), 'mortise-fuzz-'))
try {
  process.exitCode = run(compile())
} finally {
  rmSync(folder, { recursive: true })
}

function compile() {
  const addon = join(folder, 'mortise.node')
  const native = readdirSync(join(root, 'native')).filter((name) => name.endsWith('.c'))
  const sources = [...native.map((name) => join('native', name)), FAULTS]
  const warnings = ['-Wall', '-Wextra', '-Werror']
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']
  gcc(
    ...['-shared', '-fPIC', '-O1', '-g', '-fno-omit-frame-pointer', ...warnings, ...sanitizers],
    ...[...DIALECT, ...wrapped(), ...sources, '-o', addon],
  )
  return addon
}

/** Functions that faults.c stands in for. */
function wrapped() {
  const text = gcc('-E', ...DIALECT, FAULTS)
  const names = new Set([...text.matchAll(/__wrap_(\w+)/g)].map(([, name]) => name))
  return [...names].map((name) => `-Wl,--wrap=${name}`)
}

function gcc(...given) {
  return execFileSync('gcc', given, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
}

function run(addon) {
  console.log(`fuzzing for ${values.seconds} s with seed ${seed}`)
  const child = join(root, 'scripts', 'fuzz-native', 'child.mjs')
  const { status, signal } = spawnSync(process.execPath, [child, addon, values.seconds, seed], {
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: gcc('-print-file-name=libasan.so').trim(),
      // Node and V8 let go of much at exit only; faults.c counts what the addon holds.
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    },
  })
  if (signal) console.error(`ended by ${signal}`)
  return status ?? 1
}
