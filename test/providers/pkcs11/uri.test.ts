import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMortiseError } from '../../../src/errors'
import { formatPkcs11Uri, parsePkcs11Uri } from '../../../src/providers/pkcs11/uri'

function refusal(uri: unknown): string {
  try {
    parsePkcs11Uri(uri as string)
  } catch (error) {
    expect(isMortiseError(error, 'ERR_CONFIG')).toBe(true)
    return (error as Error).message
  }
  return expect.fail('was not refused')
}

describe('parsePkcs11Uri', () => {
  it('reads the key, the module and the file of the PIN', () => {
    const uri =
      'pkcs11:token=prod%20hsm;object=k%C3%A9k;id=%0A%fF;type=secret-key?module-path=/usr/lib/x.so&pin-source=file:/run/secrets/pin'
    expect(parsePkcs11Uri(uri)).toEqual({
      token: 'prod hsm',
      key: 'kék',
      keyId: '0aff',
      module: '/usr/lib/x.so',
      pinFile: '/run/secrets/pin',
    })
  })

  it.each([
    ['file:/run/pin', '/run/pin'],
    ['file:///run/pin', '/run/pin'],
    ['file%3A%2Frun%2Fpin', '/run/pin'],
    ['/run/pin', '/run/pin'],
  ])('takes pin-source=%s', (source, path) => {
    const { pinFile } = parsePkcs11Uri(`pkcs11:token=t;object=k?pin-source=${source}`)
    expect(pinFile).toBe(path)
  })

  it.each([
    ['pkcs11:token=t;object=k?pin-value=sesame'],
    ['pkcs11:token=t;object=k;pin-value=sesame'],
    ['pkcs11:token=t;object=k?PIN-VALUE=sesame'],
    ['pkcs11:token=t;object=k?pin%2Dvalue=sesame'],
    ['pkcs11:token=t;object=k?module-path=/x&pin-value='],
  ])('refuses a PIN in %s without repeating it', (uri) => {
    const message = refusal(uri)
    expect(message).toContain('pin-source')
    expect(message).not.toContain('sesame')
  })

  it.each<[unknown, string]>([
    [undefined, 'begin with'],
    ['', 'begin with'],
    ['in-app:main', 'begin with'],
    ['pkcs11:token=two words;object=k', 'printable'],
    ['pkcs11:token=ü;object=k', 'printable'],
    ['pkcs11:', 'token'],
    ['pkcs11:object=k', 'token'],
    ['pkcs11:token=;object=k', 'token'],
    ['pkcs11:token=t', 'name the key'],
    ['pkcs11:token=t;object=', 'object'],
    ['pkcs11:token=t;id=', 'id'],
    ['pkcs11:token=t;token=u;object=k', 'token twice'],
    ['pkcs11:token=t;object=k;serial=sesame', 'attribute serial'],
    ['pkcs11:token=t;object=k;sesame=x', 'not known'],
    ['pkcs11:token=t;object=k;sesame', 'not known'],
    ['pkcs11:token=t;object=k;type=private', 'secret-key'],
    ['pkcs11:token=t;object=k?module-name=sesame', 'attribute module-name'],
    ['pkcs11:token=t;object=k?pin-source=|sesame', 'pin-source'],
    ['pkcs11:token=t;object=k?pin-source=file://host/sesame', 'pin-source'],
    ['pkcs11:token=t;object=k?pin-source=sesame', 'pin-source'],
    ['pkcs11:token=t;object=k?a?b', "one '?'"],
    ['pkcs11:token=t;object=k#f', 'fragment'],
    ['pkcs11:token=%zz;object=k', 'hex digits'],
    ['pkcs11:token=%ff;object=k', 'UTF-8'],
    ['pkcs11:token=%00;object=k', 'token'],
    [`pkcs11:token=${'t'.repeat(33)};object=k`, '32 bytes'],
  ])('refuses %s', (uri, word) => {
    const message = refusal(uri)
    expect(message).toContain(word)
    expect(message).not.toContain('sesame')
  })
})

describe('formatPkcs11Uri', () => {
  it('writes the canonical form, percent-encoding all but unreserved characters', () => {
    const name = { token: "a b;c?d#e%'(!)*", key: 'kék/1.0-_~', keyId: '0AfF' }
    expect(formatPkcs11Uri(name)).toBe(
      'pkcs11:token=a%20b%3Bc%3Fd%23e%25%27%28%21%29%2A;object=k%C3%A9k%2F1.0-_~;id=%0A%FF',
    )
  })

  it('is what parsePkcs11Uri reads, for every name', () => {
    const label = (max: number): fc.Arbitrary<string> =>
      fc
        .string({ unit: 'grapheme', minLength: 1 })
        .filter((text) => !text.includes('\0') && Buffer.byteLength(text) <= max)
    const id = fc.uint8Array({ minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(label(32), label(255), fc.option(id), (token, key, bytes) => {
        const keyId = bytes === null ? undefined : Buffer.from(bytes).toString('hex')
        const uri = formatPkcs11Uri({ token, key, keyId })
        expect(uri).toMatch(/^pkcs11:[\x21-\x7e]+$/)
        // A label may be called pin-value; a URI that says so is refused all the same.
        if (/pin-value/i.test(token + key)) return
        const parsed = parsePkcs11Uri(uri)
        expect(parsed).toMatchObject({ token, key })
        expect(parsed.keyId).toBe(keyId)
        expect(formatPkcs11Uri(parsed)).toBe(uri)
      }),
      { numRuns: process.env.SLOW === '1' ? 5000 : 200 },
    )
  })
})
