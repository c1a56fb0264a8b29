import { describe, expect, it } from 'vitest'
import { envelopeFrom } from '../../src/cli/envelope-text'
import { inspectEnvelope } from '../../src/envelope/inspect'
import { createFieldCipher } from '../../src/field/field-cipher'
import { makeKeyring } from '../rotation/tables'

const envelope = async (): Promise<Buffer> => {
  const cipher = createFieldCipher(makeKeyring(), { field: 'person.email', type: 'string' })
  return (await cipher.seal('ada@example.com')) as Buffer
}

describe('an envelope as people have it', () => {
  it('is found in every form of writing', async () => {
    // Enough of them that base64 has every character.
    for (let i = 0; i < 20; i++) {
      const bytes = await envelope()
      const hex = bytes.toString('hex')
      const base64 = bytes.toString('base64')
      const wrapped = base64.replaceAll(/.{64}/g, '$&\n')
      const url = bytes.toString('base64url')
      for (const text of [hex, hex.toUpperCase(), `\\x${hex}`, `0x${hex}`, base64, wrapped, url]) {
        expect(envelopeFrom(Buffer.from(`  ${text}\n`))).toEqual(bytes)
      }
      expect(envelopeFrom(bytes)).toEqual(bytes)
      const text = envelopeFrom(Buffer.from(`mrt1.${url}\n`))
      expect(inspectEnvelope(text)).toMatchObject({ text: true, ciphertextBytes: 16 })
    }
  })

  it.each(['', ' ', 'not an envelope', 'ää', '{"a":1}'])('%j is none', (text) => {
    expect(() => envelopeFrom(Buffer.from(text))).toThrow('this is neither mrt1.…')
  })
})
