import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

// Stored data outlives releases: these files never change. A new case goes into a new file, or, with
// the old cases untouched, under a new hash and a line in CHANGELOG.md.
const HASHES = {
  'rewraps.json': 'a3ae0b73a9d311d229563033ede5b4d85c5ad45c30c0fc7b536427d39787cca4',
  'must-fail.json': '6db5dc76d7772d78d872ae87bb36f02ca32aed6af65a4ef818f51ffe51aa2fdb',
  'keys.json': '79f2073cd0b632f48b5db200725ce829be705b13b79f0c9b4ebf4ed76d6dff35',
  'envelopes.json': '637c672b87aa540550451040480df6f42e883f0b75c48037e46a1d926e9ee85f',
}

test.each(Object.entries(HASHES))('%s is frozen', (file, hash) => {
  const bytes = readFileSync(join(__dirname, file))
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash)
})

test('the generator makes the frozen files', () => {
  execFileSync(process.execPath, [join(__dirname, 'generate.mjs'), '--check'])
})
