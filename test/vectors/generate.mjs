// Writes the files named below; with --check compares them.
// Every byte is fixed, so that a second run changes nothing: a difference is a change of the format.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compressedCases, compressedFailures } from './compressed-cases.mjs'
import { HSM_ROOT_KEY, ROOT_SECRET } from './fixtures.mjs'
import { openFailures, rewrapFailures, textFailures } from './must-fail-cases.mjs'
import {
  providerOpenCases,
  providerOpenFailures,
  providerRewrapFailures,
  providerRewraps,
  providerUnwraps,
} from './provider-cases.mjs'
import { hsmCases, hsmFailures, kmsCases, providerKeyCases } from './provider-wrap-cases.mjs'
import {
  idCases,
  refCases,
  subjectKeyCases,
  subjectKeyFailures,
  subjectKeyRewraps,
  subjectOpenCases,
  subjectOpenFailures,
} from './subject-cases.mjs'
import { ivCases, keyCases, openCases, recordCases, rewrapCases } from './success-cases.mjs'

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
      'subject: under the subject keys of subject-keys.json (b2); opened with the subjectRef given.',
      'provider: under the keys of provider-keys.json (b3), whose provider unwraps wrappedDek to dek.',
    ],
    open: openCases(),
    subject: subjectOpenCases(),
    provider: providerOpenCases(),
  },
  'rewraps.json': {
    description: [
      'Envelopes before and after a rewrap from one key to another. Bytes are hex.',
      'One that is under the new key already stays as it is.',
      'provider: fromWrap is what the old provider unwraps to dek, toWrap what the new one answers for',
      'dek; null where that key is local.',
    ],
    rewraps: rewrapCases(),
    provider: providerRewraps(),
  },
  'must-fail.json': {
    description: [
      'What must be refused, and the code. Bytes are hex; keys are those of keys.json, each in its',
      'state: only active and decrypt-only keys of purpose data open.',
      'open: opened as a value of the field and row. text: taken for the text form of an envelope.',
      'rewrap: moved from one key to another.',
      'subject: opened with the subjectRef given, or without one where it is null.',
      'providerUnwraps: all blobs that providers unwrap, and to what; any other they refuse. A case of',
      'provider or providerRewrap (moved to a local key) may have unwraps of its own.',
    ],
    open: openFailures(),
    text: textFailures(),
    rewrap: rewrapFailures(),
    subject: subjectOpenFailures(),
    providerUnwraps: providerUnwraps(),
    provider: providerOpenFailures(),
    providerRewrap: providerRewrapFailures(),
  },
  'subject-keys.json': {
    description: [
      'Subject keys of format 1. Bytes are hex; KEKs are those of keys.json.',
      'ids: what an application gives as the id of a subject, and the text that it stands for.',
      'refs: from that text to its subject_ref; encoded is T.',
      'keys: rows of the key store with the subject key in clear. Of one that is destroyed the store',
      'holds a tombstone with its id alone: it opens nothing (ERR_SUBJECT_SHREDDED).',
      'rewraps: a row before and after it moved to another KEK. mustFail: rows that do not open.',
    ],
    ids: idCases(),
    refs: refCases(),
    keys: subjectKeyCases(),
    rewraps: subjectKeyRewraps(),
    mustFail: subjectKeyFailures(),
  },
  'provider-keys.json': {
    description: [
      'What providers other than in-app bind. Bytes are hex; id is the 8 bytes of the key id.',
      'keys: rows of the key store without key material, whose provider wraps DEKs (b3).',
      'hsm: wraps of PKCS#11 by hsmRootKey; iv is null for AES key wrap, and the first 12 bytes of',
      'wrapped for AES-GCM. hsmMustFail: what the HSM must not open under the context.',
      'awsKms: the encryption context of a wrap.',
    ],
    keys: providerKeyCases(),
    hsmRootKey: HSM_ROOT_KEY,
    hsm: hsmCases(),
    hsmMustFail: hsmFailures(),
    awsKms: kmsCases(),
  },
  'compressed.json': {
    description: [
      'Envelopes of compressed fields. Bytes are hex; keys are those of keys.json, values as in',
      'envelopes.json.',
      'open: must open to the value given. content is what is sealed, before any padding: method and',
      "data behind type byte 07, or T of the field's own type, which encoded is in any case.",
      'mustFail: must be refused with the code.',
    ],
    open: compressedCases(),
    mustFail: compressedFailures(),
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
