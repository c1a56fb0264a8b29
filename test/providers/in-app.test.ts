import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeParts, u32 } from '../../src/bytes'
import { hmacSha256 } from '../../src/crypto/hash'
import { unwrapKey } from '../../src/crypto/key-wrap'
import { secretKey } from '../../src/crypto/secret-key'
import { isMortiseError } from '../../src/errors'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import type { KeyContext } from '../../src/providers/provider'
import { CONTEXT } from './context'

const SECRET = Buffer.from(
  '9f1c3b7a5e2d4c6b8a0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69',
  'hex',
)
const KEY = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20', 'hex')
const provider = inAppKeyProvider({ name: 'primary', secret: SECRET })

function config(name: unknown, secret: unknown): () => unknown {
  return () => inAppKeyProvider({ name: name as string, secret: secret as string })
}

describe('inAppKeyProvider', () => {
  it('opens what it wrapped, under the URI in-app:NAME', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    expect(provider.uri).toBe('in-app:primary')
    expect(wrapped).toHaveLength(40)
    expect(await provider.unwrapKey(wrapped, CONTEXT)).toEqual(KEY)
  })

  it('wraps exactly as format 1 says', async () => {
    const parts = encodeParts(
      'mortise/1/root-wrap',
      'kek',
      'default',
      'data',
      Buffer.from('00112233445566ff', 'hex'),
      u32(3),
    )
    const wrapping = hmacSha256(SECRET, Buffer.concat([parts, Buffer.of(1)]))
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    expect(unwrapKey(secretKey(wrapping), wrapped)).toEqual(KEY)
  })

  it.each<[string, Partial<KeyContext>]>([
    ['use', { use: 'dek' }],
    ['domain', { domain: 'other' }],
    ['purpose', { purpose: 'index' }],
    ['id', { id: '00112233445566fe' }],
    ['version', { version: 4 }],
  ])('binds the %s', async (_what, other) => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    await expect(provider.unwrapKey(wrapped, { ...CONTEXT, ...other })).rejects.toMatchObject({
      code: 'ERR_KEY_INTEGRITY',
      retryable: false,
    })
  })

  it('does not open with another secret, nor after any change', async () => {
    const wrapped = Buffer.from(await provider.wrapKey(KEY, CONTEXT))
    const other = inAppKeyProvider({ name: 'primary', secret: generateRootKey() })
    await expect(other.unwrapKey(wrapped, CONTEXT)).rejects.toMatchObject({
      code: 'ERR_KEY_INTEGRITY',
      message: expect.stringContaining('00112233445566ff'),
    })
    await fc.assert(
      fc.asyncProperty(fc.nat(wrapped.length * 8 - 1), async (bit) => {
        const changed = Buffer.from(wrapped)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expect(provider.unwrapKey(changed, CONTEXT)).rejects.toThrow()
      }),
    )
    for (const length of [0, 8, 32, 39, 41, 48]) {
      const cut = Buffer.concat([wrapped, wrapped]).subarray(0, length)
      await expect(provider.unwrapKey(cut, CONTEXT)).rejects.toMatchObject({
        code: 'ERR_KEY_INTEGRITY',
      })
    }
  })

  it('takes the secret as bytes, base64 and base64url, and leaves the bytes alone', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    const base64 = SECRET.toString('base64')
    const base64url = SECRET.toString('base64url')
    const given = Buffer.from(SECRET)
    for (const secret of [given, new Uint8Array(SECRET), base64, base64.slice(0, 43), base64url]) {
      const same = inAppKeyProvider({ name: 'another-name', secret })
      expect(await same.unwrapKey(wrapped, CONTEXT)).toEqual(KEY)
    }
    expect(given).toEqual(SECRET)
  })

  it.each<[string, unknown]>([
    ['31 bytes', SECRET.subarray(1)],
    ['33 bytes', Buffer.concat([SECRET, Buffer.of(1)])],
    ['31 bytes as text', SECRET.subarray(1).toString('base64url')],
    ['hex text', SECRET.toString('hex')],
    ['white space around it', ` ${SECRET.toString('base64')}`],
    ['a line feed after it', `${SECRET.toString('base64')}\n`],
    ['stray low bits in the last character', `${SECRET.toString('base64url').slice(0, 42)}l`],
    ['empty text', ''],
    ['nothing', undefined],
    ['null', null],
    ['an array of numbers', [...SECRET]],
    ['32 zeros', Buffer.alloc(32)],
    ['32 equal bytes', Buffer.alloc(32, 0xc3)],
    ['a passphrase', Buffer.from('correct horse battery staple 123')],
  ])('refuses a secret that is %s', (_what, secret) => {
    expect(config('primary', secret)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(/^the secret/),
      }),
    )
  })

  it.each(['', 'two words', '-dash', 'ümlaut', 'a'.repeat(65), 'a:b', undefined, 7])(
    'refuses the name %o',
    (name) => {
      expect(config(name, SECRET)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    },
  )

  it('wraps 32 bytes only', async () => {
    await expect(provider.wrapKey(KEY.subarray(1), CONTEXT)).rejects.toThrow(RangeError)
  })

  it('shows its URI and nothing else', async () => {
    const shown = [
      inspect(provider, { depth: null, showHidden: true, getters: true }),
      inspect({ nested: provider }),
      JSON.stringify(provider),
      Object.keys(provider).join(),
    ].join('\n')
    const forms = [SECRET.toString('hex'), SECRET.toString('base64'), SECRET.toString('base64url')]
    for (const form of [...forms, SECRET.toString('latin1')]) expect(shown).not.toContain(form)
    expect(JSON.parse(JSON.stringify(provider))).toEqual({ uri: 'in-app:primary' })
    expect(inspect(provider)).toBe("KeyProvider { uri: 'in-app:primary' }")
  })

  it('has no key bytes in its errors', async () => {
    const error: unknown = await provider.unwrapKey(Buffer.alloc(40), CONTEXT).catch((e) => e)
    expect(isMortiseError(error, 'ERR_KEY_INTEGRITY')).toBe(true)
    expect(inspect(error, { depth: null })).not.toContain(SECRET.toString('hex'))
    expect((error as Error).cause).toBeUndefined()
  })
})

describe('generateRootKey', () => {
  it('makes 32 random bytes as base64url, never twice the same', () => {
    const keys = new Set(Array.from({ length: 500 }, generateRootKey))
    expect(keys.size).toBe(500)
    for (const key of keys) {
      expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/)
      expect(() => inAppKeyProvider({ name: 'any', secret: key })).not.toThrow()
    }
  })
})
