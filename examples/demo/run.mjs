// Compiles the demo as an application would be, against the built package, and runs it.
//
// Usage: node examples/demo/run.mjs [--json]     after `npm run build`
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const folder = import.meta.dirname
const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')

rmSync(join(folder, '.cache'), { recursive: true, force: true })
// Diagnostics go to stderr: with --json the document is alone on stdout.
const { status } = spawnSync(process.execPath, [tsc, '-p', folder], { stdio: ['ignore', 2, 2] })
if (status === 0) require('./.cache/main.js')
else process.exitCode = 1
