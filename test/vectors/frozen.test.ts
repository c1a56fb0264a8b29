import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

// Stored data outlives releases: these files never change. A new case goes into a new file, or, with
// the old cases untouched, under a new hash and a line in CHANGELOG.md.
const HASHES = {
  'rewraps.json': '31e8565669f08db468bb23edd864229667c238d8c5f830ff4652275d6188b056',
  'must-fail.json': '71b52d6b801d5c0ffa01bbdd25a11ee570d3a730f660c5e2530e094d21ce4def',
  'keys.json': '79f2073cd0b632f48b5db200725ce829be705b13b79f0c9b4ebf4ed76d6dff35',
  'envelopes.json': '86d0daecc78e31d640888bea0a4047a00b87573a40926532f2c5a73a9cf1ef8d',
  'subject-keys.json': 'f249fb569887b588ad430866e3865ab5dcb9b54776192bc9912a8067eeefe477',
  'provider-keys.json': 'e11b107863f81db91663d875eeaf697e654445622dd449ae810286e70b03cf78',
  'compressed.json': 'afec5c05d3433cd38051e4855d26d61f9ae8d7440e5616eeafb92ae5a2485e31',
}

test.each(Object.entries(HASHES))('%s is frozen', (file, hash) => {
  const bytes = readFileSync(join(__dirname, file))
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash)
})

test('the generator makes the frozen files', () => {
  execFileSync(process.execPath, [join(__dirname, 'generate.mjs'), '--check'])
})
