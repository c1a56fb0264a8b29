import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeParts } from '../../src/bytes'
import { openAead, sealAead } from '../../src/crypto/aead'
import { hmacSha256, hmacSha512 } from '../../src/crypto/hash'
import { kdf } from '../../src/crypto/kdf'
import { unwrapKey, wrapKey } from '../../src/crypto/key-wrap'
import { secretKey } from '../../src/crypto/secret-key'

// Conformance vectors of C2SP/wycheproof, folder testvectors_v1, run through mortise's own functions.
// Counts are lower bounds: a folder without its files must not pass by running nothing.
const DIR = process.env.WYCHEPROOF_DIR

interface Group {
  type: string
  keySize: number
  ivSize?: number
  tagSize?: number
  tests: Case[]
}

interface Case {
  tcId: number
  result: 'valid' | 'acceptable' | 'invalid'
  [member: string]: string | number | string[]
}

function groups(file: string, select: (group: Group) => boolean): Group[] {
  const text = readFileSync(join(DIR ?? '', file), 'utf8')
  return (JSON.parse(text) as { testGroups: Group[] }).testGroups.filter(select)
}

const cases = (file: string, select: (group: Group) => boolean = () => true) =>
  groups(file, select).flatMap(({ tests }) => tests)

const bytes = (vector: Case, member: string) => Buffer.from(vector[member] as string, 'hex')

describe.skipIf(DIR === undefined)('Wycheproof (set WYCHEPROOF_DIR to its testvectors_v1)', () => {
  test('AES-GCM: 256-bit key, 96-bit IV, 128-bit tag', () => {
    const vectors = cases(
      'aes_gcm_test.json',
      ({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128,
    )
    for (const vector of vectors) {
      const [iv, aad, message, ciphertext, tag] = ['iv', 'aad', 'msg', 'ct', 'tag'].map((member) =>
        bytes(vector, member),
      ) as [Buffer, Buffer, Buffer, Buffer, Buffer]
      const key = secretKey(bytes(vector, 'key'))
      const opened = openAead(key, iv, aad, ciphertext, tag)
      expect(opened, `tcId ${vector.tcId}`).toEqual(vector.result === 'valid' ? message : null)
      const sealed = Buffer.concat(sealAead(key, iv, aad, message))
      const agrees = sealed.equals(Buffer.concat([ciphertext, tag]))
      expect(agrees, `tcId ${vector.tcId}`).toBe(vector.result === 'valid')
    }
    expect(vectors.length).toBeGreaterThanOrEqual(66)
  })

  test('AES-KW: 256-bit wrapping key; only 32-byte keys are wrapped or unwrapped', () => {
    const vectors = cases('aes_wrap_test.json', ({ keySize }) => keySize === 256)
    let ours = 0
    for (const vector of vectors) {
      const wrappingKey = secretKey(bytes(vector, 'key'))
      const [key, wrapped] = [bytes(vector, 'msg'), bytes(vector, 'ct')]
      const expected = vector.result === 'valid' && key.length === 32 ? key : null
      expect(unwrapKey(wrappingKey, wrapped), `tcId ${vector.tcId}`).toEqual(expected)
      if (expected === null) continue
      expect(wrapKey(wrappingKey, key), `tcId ${vector.tcId}`).toEqual(wrapped)
      ours += 1
    }
    expect(vectors.length).toBeGreaterThanOrEqual(68)
    expect(ours).toBeGreaterThanOrEqual(4)
  })

  test.each([
    ['hmac_sha256_test.json', hmacSha256],
    ['hmac_sha512_test.json', hmacSha512],
  ] as const)('HMAC: %s, truncated tags included', (file, hmac) => {
    let count = 0
    for (const { tagSize = 0, tests } of groups(file, () => true)) {
      for (const vector of tests) {
        const tag = hmac(bytes(vector, 'key'), bytes(vector, 'msg')).subarray(0, tagSize / 8)
        const agrees = tag.equals(bytes(vector, 'tag'))
        expect(agrees, `tcId ${vector.tcId}`).toBe(vector.result === 'valid')
        count += 1
      }
    }
    expect(count).toBeGreaterThanOrEqual(174)
  })

  test.each([
    ['hkdf_sha256_test.json', hmacSha256, 32, 86],
    ['hkdf_sha512_test.json', hmacSha512, 64, 83],
  ] as const)('HKDF: %s, built on our HMAC', (file, hmac, hashBytes, least) => {
    const vectors = cases(file)
    for (const vector of vectors) {
      const size = vector.size as number
      const valid = vector.result === 'valid'
      expect(size <= 255 * hashBytes, `tcId ${vector.tcId}`).toBe(valid)
      if (!valid) continue
      const okm = hkdf(hmac, hashBytes, vector, size)
      expect(okm, `tcId ${vector.tcId}`).toEqual(bytes(vector, 'okm'))
    }
    expect(vectors.length).toBeGreaterThanOrEqual(least)
  })

  test('kdf() is the expand step that these vectors check, with L = 32', () => {
    const vectors = cases('hkdf_sha256_test.json')
    for (const vector of vectors) {
      const prk = hmacSha256(saltOf(vector, 32), bytes(vector, 'ikm'))
      const info = bytes(vector, 'info')
      const expanded = expand(hmacSha256, prk, encodeParts('label', info), 32)
      expect(kdf(secretKey(prk), 'label', info)).toEqual(expanded)
    }
    expect(vectors.length).toBeGreaterThanOrEqual(86)
  })
})

type Hmac = (key: Uint8Array, data: Uint8Array) => Buffer

/** RFC 5869 2.2: an absent salt is a hash of zeros. */
function saltOf(vector: Case, hashBytes: number): Buffer {
  const salt = bytes(vector, 'salt')
  return salt.length === 0 ? Buffer.alloc(hashBytes) : salt
}

function hkdf(hmac: Hmac, hashBytes: number, vector: Case, length: number): Buffer {
  const prk = hmac(saltOf(vector, hashBytes), bytes(vector, 'ikm'))
  return expand(hmac, prk, bytes(vector, 'info'), length)
}

/** RFC 5869 2.3. */
function expand(hmac: Hmac, prk: Buffer, info: Buffer, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let previous: Buffer = Buffer.alloc(0); Buffer.concat(blocks).length < length; ) {
    previous = hmac(prk, Buffer.concat([previous, info, Buffer.of(blocks.length + 1)]))
    blocks.push(previous)
  }
  return Buffer.concat(blocks).subarray(0, length)
}
