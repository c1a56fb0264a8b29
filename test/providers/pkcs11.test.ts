import { createCipheriv } from 'node:crypto'
import { rmSync } from 'node:fs'
import Module from 'node:module'
import { inspect } from 'node:util'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { encodeParts, u32 } from '../../src/bytes'
import { openAead } from '../../src/crypto/aead'
import { sha256 } from '../../src/crypto/hash'
import { secretKey } from '../../src/crypto/secret-key'
import { isMortiseError, type MortiseError } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import { createKeyring } from '../../src/keys/keyring'
import { type Pkcs11KeyOptions, pkcs11KeyProvider } from '../../src/providers/pkcs11'
import type { KeyContext, KeyProvider } from '../../src/providers/provider'
import { CONTEXT } from './context'
import { administrate, ck, configure, SKIPPED, type SoftHsm, setUpSoftHsm } from './pkcs11/softhsm'

const KEY = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20', 'hex')
const ROOT = Buffer.from('f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff', 'hex')
const ENCODED = encodeParts(
  'mortise/1/context',
  ...['kek', 'default', 'data'],
  Buffer.from('00112233445566ff', 'hex'),
  u32(3),
)

const found = setUpSoftHsm()
const hsm = found as SoftHsm
const open: KeyProvider[] = []

function provider(options: Partial<Pkcs11KeyOptions> = {}): KeyProvider {
  const { module, token, key, pin } = hsm
  const made = pkcs11KeyProvider({ module, token, key, pin, ...options })
  open.push(made)
  return made
}

async function failure(call: Promise<unknown>): Promise<MortiseError> {
  const error: unknown = await call.then(
    () => expect.fail('did not fail'),
    (reason) => reason,
  )
  expect(isMortiseError(error)).toBe(true)
  const shown = inspect(error, { depth: null, showHidden: true }) + JSON.stringify(error)
  expect(shown).not.toContain(hsm.pin)
  return error as MortiseError
}

afterEach(async () => {
  vi.restoreAllMocks()
  for (const made of open.splice(0)) await made.close?.()
})

describe.skipIf(found === null)(`on SoftHSM${found === null ? ` (${SKIPPED})` : ''}`, () => {
  afterAll(() => rmSync(hsm.folder, { recursive: true, force: true }))

  describe('by AES key wrap', () => {
    it('opens what it wrapped, under the URI of the key', async () => {
      const made = provider()
      const wrapped = await made.wrapKey(KEY, CONTEXT)
      expect(made.uri).toBe('pkcs11:token=mortise-dev;object=mortise-root')
      expect(wrapped).toHaveLength(72)
      expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    })

    it('wraps exactly as format 1 says', async () => {
      administrate(hsm, ({ createKey }) => createKey('known', { [ck.CKA_VALUE]: ROOT }))
      const cipher = createCipheriv('id-aes256-wrap', ROOT, Buffer.alloc(8, 0xa6))
      const expected = cipher.update(Buffer.concat([KEY, sha256(ENCODED)]))
      const wrapped = await provider({ key: 'known' }).wrapKey(KEY, CONTEXT)
      expect(Buffer.from(wrapped)).toEqual(expected)
    })

    it.each<[string, Partial<KeyContext>]>([
      ['use', { use: 'dek' }],
      ['domain', { domain: 'other' }],
      ['purpose', { purpose: 'index' }],
      ['id', { id: '00112233445566fe' }],
      ['version', { version: 4 }],
    ])('binds the %s', async (_what, other) => {
      const made = provider()
      const wrapped = await made.wrapKey(KEY, CONTEXT)
      const error = await failure(made.unwrapKey(wrapped, { ...CONTEXT, ...other }))
      expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
      expect(error.retryable).toBe(false)
    })

    it('does not open after any change, and goes on working', async () => {
      const made = provider()
      const wrapped = Buffer.from(await made.wrapKey(KEY, CONTEXT))
      for (let offset = 0; offset < wrapped.length; offset += 1) {
        const changed = Buffer.from(wrapped)
        changed.writeUInt8(changed.readUInt8(offset) ^ (1 << (offset & 7)), offset)
        const error = await failure(made.unwrapKey(changed, CONTEXT))
        expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
      }
      for (const length of [0, 1, 40, 60, 71, 73, 144]) {
        const cut = Buffer.concat([wrapped, wrapped]).subarray(0, length)
        expect((await failure(made.unwrapKey(cut, CONTEXT))).code).toBe('ERR_KEY_INTEGRITY')
      }
      expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    })

    it('leaves no temporary object behind', async () => {
      const made = provider()
      const wrapped = await made.wrapKey(KEY, CONTEXT)
      await made.unwrapKey(wrapped, CONTEXT)
      await failure(made.unwrapKey(wrapped, { ...CONTEXT, version: 9 }))
      const left = administrate(hsm, ({ library, session }) => {
        library.C_FindObjectsInit(session, [{ type: ck.CKA_TOKEN, value: false }])
        const handles = library.C_FindObjects(session, 10)
        library.C_FindObjectsFinal(session)
        return handles.length
      })
      expect(left).toBe(0)
    })

    it('answers 200 calls at once over four sessions', async () => {
      const made = provider()
      const wrapped = await made.wrapKey(KEY, CONTEXT)
      const calls = Array.from({ length: 200 }, () => made.unwrapKey(wrapped, CONTEXT))
      for (const key of await Promise.all(calls)) expect(Buffer.from(key)).toEqual(KEY)
    })

    it('wraps 32 bytes only and leaves its arguments alone', async () => {
      const made = provider()
      await expect(made.wrapKey(KEY.subarray(1), CONTEXT)).rejects.toThrow(RangeError)
      const key = new Uint8Array(KEY)
      const wrapped = new Uint8Array(await made.wrapKey(key, CONTEXT))
      const copy = Uint8Array.from(wrapped)
      const first = await made.unwrapKey(wrapped, CONTEXT)
      first.fill(0)
      expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
      expect(Buffer.from(key)).toEqual(KEY)
      expect(wrapped).toEqual(copy)
    })
  })

  describe('by AES-GCM', () => {
    it('is chosen for a key that may encrypt but not wrap', async () => {
      administrate(hsm, ({ createKey }) =>
        createKey('gcm', { [ck.CKA_VALUE]: ROOT, [ck.CKA_WRAP]: false, [ck.CKA_UNWRAP]: false }),
      )
      const made = provider({ key: 'gcm' })
      const wrapped = Buffer.from(await made.wrapKey(KEY, CONTEXT))
      expect(wrapped).toHaveLength(60)
      const [iv, sealed, tag] = [
        wrapped.subarray(0, 12),
        wrapped.subarray(12, 44),
        wrapped.subarray(44),
      ]
      expect(openAead(secretKey(ROOT), iv, ENCODED, sealed, tag)).toEqual(KEY)
      expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
      expect((await made.wrapKey(KEY, CONTEXT)).slice(0, 12)).not.toEqual(wrapped.subarray(0, 12))
    })

    it('does not open under another context, after any change, or where it is a key wrap', async () => {
      const made = provider({ key: 'gcm' })
      const wrapped = Buffer.from(await made.wrapKey(KEY, CONTEXT))
      const other = await failure(made.unwrapKey(wrapped, { ...CONTEXT, version: 4 }))
      expect(other).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
      for (let offset = 0; offset < wrapped.length; offset += 1) {
        const changed = Buffer.from(wrapped)
        changed.writeUInt8(changed.readUInt8(offset) ^ 0x80, offset)
        const error = await failure(made.unwrapKey(changed, CONTEXT))
        expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
      }
      const byKeyWrap = await provider().wrapKey(KEY, CONTEXT)
      const error = await failure(made.unwrapKey(byKeyWrap, CONTEXT))
      expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
    })

    it('is chosen where the module hides AES key wrap', async () => {
      administrate(hsm, ({ createKey }) => createKey('both'))
      const before = provider({ key: 'both' })
      const byKeyWrap = await before.wrapKey(KEY, CONTEXT)
      expect(byKeyWrap).toHaveLength(72)
      await before.close?.()
      // SoftHSM 2.6.1 hides the second and further names of such a list, never the first.
      configure(hsm, 'slots.mechanisms = -CKM_MD5,CKM_AES_KEY_WRAP')
      const hidden = provider({ key: 'both' })
      const wrapped = await hidden.wrapKey(KEY, CONTEXT)
      expect(wrapped).toHaveLength(60)
      expect(Buffer.from(await hidden.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
      expect(await failure(hidden.unwrapKey(byKeyWrap, CONTEXT))).toMatchObject({
        failure: 'integrity',
        message: expect.stringContaining('may no longer use CKM_AES_KEY_WRAP'),
      })
      expect(await failure(provider().wrapKey(KEY, CONTEXT))).toMatchObject({
        code: 'ERR_KEY_PROVIDER',
        failure: 'state',
        message: expect.stringContaining('neither CKM_AES_KEY_WRAP'),
      })
      for (const made of open.splice(0)) await made.close?.()
      configure(hsm, '')
      const again = provider({ key: 'both' })
      expect(Buffer.from(await again.unwrapKey(byKeyWrap, CONTEXT))).toEqual(KEY)
      expect(Buffer.from(await again.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    })
  })

  describe('refuses', () => {
    it.each<[string, Record<number, number | boolean | Buffer>, string]>([
      ['an extractable key', { [ck.CKA_EXTRACTABLE]: true }, 'CKA_EXTRACTABLE false'],
      ['a key that is not sensitive', { [ck.CKA_SENSITIVE]: false }, 'CKA_SENSITIVE true'],
      ['a key of 128 bits', { [ck.CKA_VALUE]: Buffer.alloc(16, 7) }, 'AES-256'],
      ['a key of another type', { [ck.CKA_KEY_TYPE]: ck.CKK_GENERIC_SECRET }, 'AES-256'],
      [
        'a key that may neither wrap nor encrypt',
        { [ck.CKA_UNWRAP]: false, [ck.CKA_DECRYPT]: false },
        'CKA_UNWRAP',
      ],
    ])('%s', async (label, attributes, fix) => {
      administrate(hsm, ({ createKey }) => createKey(label, attributes))
      const error = await failure(provider({ key: label }).wrapKey(KEY, CONTEXT))
      expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'state', retryable: false })
      expect(error.message).toContain(fix)
    })

    it('two keys of one label, until one is named by its id', async () => {
      administrate(hsm, ({ createKey }) => {
        createKey('twin', { [ck.CKA_ID]: Buffer.of(0xa1) })
        createKey('twin', { [ck.CKA_ID]: Buffer.of(0xb2), [ck.CKA_VALUE]: ROOT })
      })
      const error = await failure(provider({ key: 'twin' }).wrapKey(KEY, CONTEXT))
      expect(error).toMatchObject({ failure: 'state', message: expect.stringContaining('CKA_ID') })
      const first = provider({ key: 'twin', keyId: 'a1' })
      const second = provider({ key: undefined, keyId: 'B2' })
      expect(first.uri).toBe('pkcs11:token=mortise-dev;object=twin;id=%A1')
      expect(second.uri).toBe('pkcs11:token=mortise-dev;id=%B2')
      const wrapped = await second.wrapKey(KEY, CONTEXT)
      expect(Buffer.from(await second.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
      expect((await failure(first.unwrapKey(wrapped, CONTEXT))).code).toBe('ERR_KEY_INTEGRITY')
    })

    it('a key and a token that are not there', async () => {
      expect(await failure(provider({ key: 'none' }).wrapKey(KEY, CONTEXT))).toMatchObject({
        failure: 'state',
        retryable: false,
        message: expect.stringContaining('pkcs11:token=mortise-dev;object=none: '),
      })
      expect(await failure(provider({ token: 'none' }).wrapKey(KEY, CONTEXT))).toMatchObject({
        failure: 'session',
        retryable: true,
        message: expect.stringContaining('pkcs11:token=none;object=mortise-root: '),
      })
    })

    it('a module that is not one', async () => {
      const error = await failure(provider({ module: '/nowhere/lib.so' }).wrapKey(KEY, CONTEXT))
      expect(error).toMatchObject({
        code: 'ERR_CONFIG',
        message: expect.stringContaining('module'),
      })
    })
  })

  describe('PIN', () => {
    it('is read from a callback, a promise or the file that the URI names', async () => {
      const wrapped = await provider().wrapKey(KEY, CONTEXT)
      for (const made of open.splice(0)) await made.close?.()
      const sources = [() => hsm.pin, async () => hsm.pin]
      for (const pin of sources) {
        const made = provider({ pin })
        expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
        await made.close?.()
      }
      const made = pkcs11KeyProvider({ uri: hsm.uri })
      open.push(made)
      expect(made.uri).toBe(provider().uri)
      expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    })

    it('that is wrong is tried once, however often the provider is called', async () => {
      const pin = vi.fn(() => '0000000000000')
      const made = provider({ pin })
      const calls = Array.from({ length: 20 }, () => failure(made.wrapKey(KEY, CONTEXT)))
      for (const error of [
        ...(await Promise.all(calls)),
        await failure(made.wrapKey(KEY, CONTEXT)),
      ]) {
        expect(error).toMatchObject({
          code: 'ERR_KEY_PROVIDER',
          failure: 'access',
          retryable: false,
          message: expect.stringContaining('CKR_PIN_INCORRECT'),
        })
        expect(inspect(error)).not.toContain('0000000000000')
      }
      expect(pin).toHaveBeenCalledTimes(1)
      expect(await provider().wrapKey(KEY, CONTEXT)).toHaveLength(72)
    })

    it('that cannot be fetched is asked for again: the token knows nothing of it', async () => {
      let fails = true
      const made = provider({
        pin: () => {
          if (fails) throw Object.assign(new Error(`secret ${hsm.pin}`), { code: 'ENOENT' })
          return hsm.pin
        },
      })
      expect(await failure(made.wrapKey(KEY, CONTEXT))).toMatchObject({
        failure: 'access',
        message: expect.stringContaining('ENOENT'),
      })
      fails = false
      expect(await made.wrapKey(KEY, CONTEXT)).toHaveLength(72)
    })

    it('is asked for once by calls that come at the same time, and not at all after a login', async () => {
      const pin = vi.fn(async () => hsm.pin)
      const made = provider({ pin })
      await Promise.all(Array.from({ length: 50 }, () => made.wrapKey(KEY, CONTEXT)))
      await provider({ key: 'known', pin }).wrapKey(KEY, CONTEXT)
      expect(pin).toHaveBeenCalledTimes(1)
    })
  })

  describe('providers of one module', () => {
    it('work side by side, and each closes only its own sessions', async () => {
      const first = provider()
      const second = provider({ key: 'known' })
      const wrapped = await first.wrapKey(KEY, CONTEXT)
      await second.wrapKey(KEY, CONTEXT)
      await first.close?.()
      expect(await second.wrapKey(KEY, CONTEXT)).toHaveLength(72)
      await second.close?.()
      const third = provider()
      expect(Buffer.from(await third.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    })

    it('finalise it with the last one, and leave it where someone else initialised it', async () => {
      const initialized = (): boolean => {
        const library = new ck.PKCS11()
        library.load(hsm.module)
        try {
          library.C_GetInfo()
          return true
        } catch {
          return false
        }
      }
      const [first, second] = [provider(), provider()]
      await Promise.all([first.wrapKey(KEY, CONTEXT), second.wrapKey(KEY, CONTEXT)])
      await first.close?.()
      await first.close?.()
      expect(initialized()).toBe(true)
      await second.close?.()
      expect(initialized()).toBe(false)
      const other = new ck.PKCS11()
      other.load(hsm.module)
      other.C_Initialize()
      const guest = provider()
      await guest.wrapKey(KEY, CONTEXT)
      await guest.close?.()
      expect(initialized()).toBe(true)
      other.C_Finalize()
    })

    it('finish the calls under way before they close, and refuse further ones', async () => {
      const made = provider()
      const wrapped = await made.wrapKey(KEY, CONTEXT)
      const calls = Array.from({ length: 4 }, () => made.unwrapKey(wrapped, CONTEXT))
      await made.close?.()
      for (const key of await Promise.all(calls)) expect(Buffer.from(key)).toEqual(KEY)
      expect(await failure(made.wrapKey(KEY, CONTEXT))).toMatchObject({ code: 'ERR_CLOSED' })
      const waiting = provider({ pin: () => new Promise<string>(() => {}) })
      const call = failure(waiting.wrapKey(KEY, CONTEXT))
      await waiting.close?.()
      expect(await call).toMatchObject({ code: 'ERR_CLOSED' })
      const unused = provider()
      await unused.close?.()
      expect(await failure(unused.wrapKey(KEY, CONTEXT))).toMatchObject({ code: 'ERR_CLOSED' })
    })
  })

  it('serves a keyring, which closes it', async () => {
    const made = provider()
    const store = memoryKeyStore()
    const keyring = createKeyring({ providers: [made], store })
    await keyring.ready()
    const { keys } = await store.loadKeys('default')
    expect(keys.map(({ wraps }) => wraps.map(({ providerUri }) => providerUri))).toEqual([
      [made.uri],
      [made.uri],
    ])
    await keyring.close()
    expect(await failure(made.wrapKey(KEY, CONTEXT))).toMatchObject({ code: 'ERR_CLOSED' })
    const again = createKeyring({ providers: [provider()], store })
    await again.ready()
    await again.close()
  })

  it('stops waiting for a session when the caller gives up', async () => {
    const made = provider()
    const wrapped = await made.wrapKey(KEY, CONTEXT)
    const calls = Array.from({ length: 20 }, () => made.unwrapKey(wrapped, CONTEXT))
    const controller = new AbortController()
    const waiting = failure(made.unwrapKey(wrapped, CONTEXT, { signal: controller.signal }))
    controller.abort()
    expect(await waiting).toMatchObject({ failure: 'transient', retryable: true })
    await Promise.all(calls)
    const late = made.unwrapKey(wrapped, CONTEXT, { signal: controller.signal })
    expect(await failure(late)).toMatchObject({ failure: 'transient' })
    expect(Buffer.from(await made.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
  })

  it('stops waiting for a connection when the caller gives up', async () => {
    let answer = (_pin: string): void => {}
    const made = provider({ pin: () => new Promise<string>((resolve) => (answer = resolve)) })
    const controller = new AbortController()
    const waiting = failure(made.wrapKey(KEY, CONTEXT, { signal: controller.signal }))
    const patient = made.wrapKey(KEY, CONTEXT)
    controller.abort()
    expect(await waiting).toMatchObject({ failure: 'transient', retryable: true })
    answer(hsm.pin)
    expect(await patient).toHaveLength(72)
  })

  it('shows its URI and nothing else', () => {
    const made = provider()
    const shown = [inspect(made, { depth: null, showHidden: true }), JSON.stringify(made)].join()
    expect(shown).not.toContain(hsm.pin)
    expect(shown).not.toContain(hsm.module)
    expect(JSON.parse(JSON.stringify(made))).toEqual({ uri: made.uri })
    expect(inspect(made)).toBe(`KeyProvider { uri: '${made.uri}' }`)
  })
})

describe('without a token', () => {
  const options = { module: '/lib.so', token: 't', key: 'k', pin: '1234' }

  it('says which package is missing, at the first call', async () => {
    const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown }
    const load = loader._load
    vi.spyOn(loader, '_load').mockImplementation((name, ...rest) => {
      if (name === 'pkcs11js') throw new Error("Cannot find module 'pkcs11js'")
      return load(name, ...rest)
    })
    const made = pkcs11KeyProvider(options)
    await expect(made.wrapKey(KEY, CONTEXT)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('npm install pkcs11js'),
    })
    await made.close?.()
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no module', { module: undefined }, 'module'],
    ['an empty module', { module: '' }, 'module'],
    ['no PIN', { pin: undefined }, 'pin'],
    ['an empty PIN', { pin: '' }, 'pin'],
    ['a PIN that is a number', { pin: 1234 }, 'pin'],
    ['no token', { token: undefined }, 'token'],
    ['a token label of 33 bytes', { token: 'ü'.repeat(16).concat('x') }, 'token'],
    ['no key', { key: undefined }, 'key'],
    ['a key id that is not hex', { keyId: '0g' }, 'id'],
    ['a URI beside labels', { uri: 'pkcs11:token=t;object=k' }, 'both'],
  ])('refuses %s', (_what, change, word) => {
    expect(() => pkcs11KeyProvider({ ...options, ...change } as Pkcs11KeyOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(word) }),
    )
  })

  it('refuses what a URI and an option both give', () => {
    const uri = 'pkcs11:token=t;object=k?module-path=/lib.so&pin-source=/pin'
    expect(pkcs11KeyProvider({ uri }).uri).toBe('pkcs11:token=t;object=k')
    for (const twice of [{ module: '/lib.so' }, { pin: 'abcd' }]) {
      expect(() => pkcs11KeyProvider({ uri, ...twice })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('one of') }),
      )
    }
  })
})
