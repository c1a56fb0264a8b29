import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { fetchPin, pinFromEnv, pinFromFile } from '../../../src/providers/pkcs11/pin'

const URI = 'pkcs11:token=t;object=k'
const folder = mkdtempSync(join(tmpdir(), 'mortise-pin-'))
const file = join(folder, 'pin')

afterAll(() => rmSync(folder, { recursive: true }))

describe('fetchPin', () => {
  it('takes text, a function and a promise', async () => {
    expect(await fetchPin('1234', URI)).toBe('1234')
    expect(await fetchPin(() => '1234', URI)).toBe('1234')
    expect(await fetchPin(async () => '1234', URI)).toBe('1234')
  })

  it('reads a file at each call, without the line feed at its end', async () => {
    for (const content of ['1234', '1234\n', '1234\r\n']) {
      writeFileSync(file, content)
      expect(await fetchPin(pinFromFile(file), URI)).toBe('1234')
    }
    writeFileSync(file, ' 12 34 \n\n')
    expect(await fetchPin(pinFromFile(file), URI)).toBe(' 12 34 \n')
  })

  it('reads a variable at each call', async () => {
    process.env.MORTISE_TEST_PIN = '1234'
    const source = pinFromEnv('MORTISE_TEST_PIN')
    expect(await fetchPin(source, URI)).toBe('1234')
    delete process.env.MORTISE_TEST_PIN
    await expect(fetchPin(source, URI)).rejects.toMatchObject({ failure: 'access' })
  })

  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['empty text', () => ''],
    ['a number', () => 1234],
    ['a NUL, where C would end the text', () => '12\u000034'],
  ])('refuses %s', async (_what, source) => {
    await expect(fetchPin(source as () => string, URI)).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      failure: 'access',
      retryable: false,
      message: expect.stringContaining(URI),
    })
  })

  it('tells why a source failed by its code alone', async () => {
    const missing = await fetchPin(pinFromFile(join(folder, 'none')), URI).catch((e) => e)
    expect(missing.message).toContain('ENOENT')
    const leaking = (): string => {
      throw Object.assign(new Error('the PIN 1234 is stale'), { code: 'PIN 1234' })
    }
    const error = await fetchPin(leaking, URI).catch((e) => e)
    expect(error.code).toBe('ERR_KEY_PROVIDER')
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('PIN 1234')
  })
})
