// Writes envelopes.json, keys.json, rewraps.json and must-fail.json; with --check compares them.
// Every byte is fixed, so that a second run changes nothing: a difference is a change of the format.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT_SECRET } from './fixtures.mjs'
import { openFailures, rewrapFailures, textFailures } from './must-fail-cases.mjs'
import {
  ivCases,
  keyCases,
  openCases,
  recordCases,
  reservedCases,
  rewrapCases,
} from './success-cases.mjs'

const FILES = {
  'keys.json': {
    description: [
      'Keys of format 1 and what is derived from them. Bytes are hex.',
      'keys: a key store row with its KEK in clear, its wrap by the in-app provider under rootSecret,',
      'its check value, and for purpose data the key that wraps DEKs. All other files refer to these.',
      'records: a DEK, wrapped by keyId, and the two halves that are derived from it.',
    ],
    rootSecret: ROOT_SECRET,
    keys: keyCases(),
    records: recordCases(),
    fieldIvs: ivCases(),
  },
  'envelopes.json': {
    description: [
      'Envelopes that must open to the value given. Bytes are hex.',
      'values: number as the shortest decimal text (so that -0 can be told), bigint as decimal text,',
      'timestamp as milliseconds, bytes as hex, json as its text, everything else as it is.',
      'encoded is T, plaintext is P (T, or T behind its length and before its padding).',
      'reserved: well-formed envelopes whose flags this release describes and refuses to open.',
    ],
    open: openCases(),
    reserved: reservedCases(),
  },
  'rewraps.json': {
    description: [
      'Envelopes before and after a rewrap from one key to another. Bytes are hex.',
      'One that is under the new key already stays as it is.',
    ],
    rewraps: rewrapCases(),
  },
  'must-fail.json': {
    description: [
      'What must be refused, and the code. Bytes are hex; keys are those of keys.json, each in its',
      'state: only active and decrypt-only keys of purpose data open.',
      'open: opened as a value of the field and row. text: taken for the text form of an envelope.',
      'rewrap: moved from one key to another.',
    ],
    open: openFailures(),
    text: textFailures(),
    rewrap: rewrapFailures(),
  },
}

/** One case a line: readable, and a changed case is one changed line. */
function render(file) {
  const members = Object.entries(file).map(([name, value]) => {
    const lines = Array.isArray(value) ? value.map((item) => `    ${line(item)}`) : null
    return `  "${name}": ${lines === null ? line(value) : `[\n${lines.join(',\n')}\n  ]`}`
  })
  return `{\n${members.join(',\n')}\n}\n`
}

function line(value) {
  return JSON.stringify(value, function hexBytes(key, json) {
    return Buffer.isBuffer(this[key]) ? this[key].toString('hex') : json
  })
}

const check = process.argv.includes('--check')
for (const [name, file] of Object.entries(FILES)) {
  const path = join(import.meta.dirname, name)
  if (!check) writeFileSync(path, render(file))
  else if (readFileSync(path, 'utf8') !== render(file)) {
    console.error(`${name} differs from what generate.mjs makes`)
    process.exitCode = 1
  }
}
