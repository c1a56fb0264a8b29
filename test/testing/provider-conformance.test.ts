import { describe, expect, it, vi } from 'vitest'
import { MortiseError, type MortiseErrorDetails } from '../../src/errors'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import type { KeyContext, KeyProvider } from '../../src/providers/provider'
import { redacted } from '../../src/providers/redacted'
import { type ConformanceTarget, providerConformance } from '../../src/testing'

const SECRET = generateRootKey()
const OTHER_SECRET = generateRootKey()

/** A provider with everything that the contract knows, and without a fault. */
function sound(secret = SECRET, name = 'sound'): KeyProvider {
  const inner = inAppKeyProvider({ name, secret })
  let closed = false
  const use = <T>(work: () => Promise<T>): Promise<T> =>
    closed ? Promise.reject(new MortiseError('ERR_CLOSED', `${inner.uri} is closed`)) : work()
  const provider: KeyProvider = {
    uri: inner.uri,
    open: async () => {},
    wrapKey: (key, context) => use(() => inner.wrapKey(key, context)),
    unwrapKey: (wrapped, context) => use(() => inner.unwrapKey(wrapped, context)),
    rewrapKey: async (wrapped, context, sourceUri) => {
      if (sourceUri !== inner.uri) return null
      return inner.wrapKey(await inner.unwrapKey(wrapped, context), context)
    },
    close: async () => {
      closed = true
    },
  }
  return redacted(provider)
}

/** Fails as `error` says wherever it is used. */
function failing(error: (uri: string) => Error): KeyProvider {
  const { uri } = sound()
  const fail = async (): Promise<never> => {
    throw error(uri)
  }
  return redacted({ uri, wrapKey: fail, unwrapKey: fail })
}

function unavailable(details: MortiseErrorDetails, say = (uri: string) => uri) {
  return () => failing((uri) => new MortiseError('ERR_KEY_PROVIDER', say(uri), details))
}

const hanging = (): KeyProvider => ({
  ...sound(),
  unwrapKey: (_wrapped, _context, options) =>
    new Promise((_resolve, reject) => {
      options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
    }),
})

const SOUND: ConformanceTarget = {
  create: () => sound(),
  createOther: () => sound(OTHER_SECRET, 'other'),
  createUnavailable: unavailable({ failure: 'transient', retryable: true }),
  createHanging: hanging,
  secrets: [SECRET, Buffer.from(SECRET, 'base64url')],
}

/** The names of the checks that a target fails. */
async function violations(target: ConformanceTarget): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of providerConformance(target)) {
    await run().catch(() => failed.push(name))
  }
  return failed
}

/** A provider that is sound but for `change`. */
function unsound(change: (inner: KeyProvider) => Partial<KeyProvider>): Partial<ConformanceTarget> {
  return {
    create: () => {
      const inner = sound()
      return redacted({ ...inner, ...change(inner) })
    },
  }
}

const wrapsUnder = (other: (context: KeyContext) => KeyContext) =>
  unsound((inner) => ({
    wrapKey: (key, context) => inner.wrapKey(key, other(context)),
    unwrapKey: (wrapped, context) => inner.unwrapKey(wrapped, other(context)),
  }))

const rejects = (change: (error: MortiseError) => Error) =>
  unsound((inner) => ({
    unwrapKey: (wrapped, context) =>
      inner.unwrapKey(wrapped, context).catch((error: MortiseError) => {
        throw change(error)
      }),
  }))

const BINDS = 'binds use, domain, purpose, id and version into the wrap'
const CHANGED = 'refuses a wrap with a changed bit in any byte'
const OTHER_BYTES = 'refuses a wrap that is cut, extended, empty or foreign'
const OTHER_ROOT = 'refuses the wrap of another root key'
const ALIKE = 'refuses a wrong wrap in the same way every time'
const ROUND_TRIP = 'opens under every context what it wrapped under it'
const INSTANCES = 'opens what another instance with the same root key wrapped'
const LENGTHS = 'wraps 32 bytes of any value and no other length'
const HIDES = 'makes wraps of 1 to 1024 bytes that do not hold the key in clear'
const INPUT = 'leaves the bytes that it is given as they are'
const OWNED = 'gives a new array each time, which its caller may zero'
const PARALLEL = 'serves 64 calls at once without mixing them up'
const URI = 'has a URI of 1 to 2,048 printable characters, the same every time, without a secret'
const PRINTS = 'shows no key and no secret of its own when it is printed'
const ERRORS = 'shows no key, wrap or secret in its errors'
const REOPENS = 'may be opened more than once'
const ABORTS = 'ends a call whose signal has aborted'
const WAITS = 'stops waiting for its service when the signal aborts'
const OUTAGE = 'says that a service it cannot reach may be back later'
const CLOSES = 'may be closed more than once, and refuses every use afterwards'
const REWRAPS = 'rewraps its own wraps, if it can, under the same context'
const REWRAPS_OTHER = 'rewraps the wraps of another root key correctly or answers null'
const FOREIGN = 'answers null for a wrap of another kind of provider'
const REWRAPS_WRONG = 'rewraps nothing that does not authenticate'

let calls = 0
let last: Uint8Array | undefined
const cache = new Map<string, Uint8Array>()

const UNSOUND: readonly [what: string, violated: string, target: Partial<ConformanceTarget>][] = [
  ['ignores the use', BINDS, wrapsUnder((c) => ({ ...c, use: 'kek' }))],
  ['ignores the domain', BINDS, wrapsUnder((c) => ({ ...c, domain: 'default' }))],
  ['ignores the purpose', BINDS, wrapsUnder((c) => ({ ...c, purpose: 'data' }))],
  ['ignores the id', BINDS, wrapsUnder((c) => ({ ...c, id: '0000000000000000' }))],
  ['ignores the version', BINDS, wrapsUnder((c) => ({ ...c, version: 1 }))],
  ['ignores case', BINDS, wrapsUnder((c) => ({ ...c, domain: c.domain.toLowerCase() }))],
  ['cuts domains', BINDS, wrapsUnder((c) => ({ ...c, domain: c.domain.slice(0, 63) }))],
  [
    'keeps one byte of the version',
    BINDS,
    wrapsUnder((c) => ({ ...c, version: c.version & 0xff })),
  ],
  ['keeps two bytes of it', BINDS, wrapsUnder((c) => ({ ...c, version: c.version & 0xffff }))],
  [
    'joins domain and version',
    BINDS,
    wrapsUnder((c) => ({ ...c, domain: `${c.domain}${c.version}`, version: 1 })),
  ],
  [
    'joins version and domain',
    BINDS,
    wrapsUnder((c) => ({ ...c, domain: `${c.version}${c.domain}`, version: 1 })),
  ],
  [
    'refuses unusual domains',
    ROUND_TRIP,
    unsound((inner) => ({
      wrapKey: async (key, context) => {
        if (/["\\]/.test(context.domain)) throw new TypeError('quotes')
        return inner.wrapKey(key, context)
      },
    })),
  ],
  ['has a root key of its own', INSTANCES, { create: () => sound(generateRootKey()) }],
  [
    'wraps other lengths',
    LENGTHS,
    unsound((inner) => ({
      wrapKey: (key, context) =>
        inner.wrapKey(Buffer.concat([key, Buffer.alloc(32)]).subarray(0, 32), context),
    })),
  ],
  [
    'stores the key in clear',
    HIDES,
    unsound((inner) => ({
      wrapKey: async (key, context) => Buffer.concat([await inner.wrapKey(key, context), key]),
      unwrapKey: (wrapped, context) => inner.unwrapKey(wrapped.subarray(0, 40), context),
    })),
  ],
  [
    'makes large wraps',
    HIDES,
    unsound((inner) => ({
      wrapKey: async (key, context) =>
        Buffer.concat([await inner.wrapKey(key, context), Buffer.alloc(1000)]),
      unwrapKey: (wrapped, context) => inner.unwrapKey(wrapped.subarray(0, 40), context),
    })),
  ],
  [
    'ignores what follows a wrap',
    OTHER_BYTES,
    unsound((inner) => ({
      unwrapKey: (wrapped, context) => inner.unwrapKey(wrapped.subarray(0, 40), context),
    })),
  ],
  [
    'zeroes the key that it is given',
    INPUT,
    unsound((inner) => ({
      wrapKey: async (key, context) => {
        const wrapped = await inner.wrapKey(key, context)
        key.fill(0)
        return wrapped
      },
    })),
  ],
  [
    'gives one array twice',
    OWNED,
    unsound((inner) => ({
      unwrapKey: async (wrapped, context) => {
        const id = Buffer.from(wrapped).toString('hex')
        const key = cache.get(id) ?? (await inner.unwrapKey(wrapped, context))
        cache.set(id, key)
        return key
      },
    })),
  ],
  [
    'mixes up calls',
    PARALLEL,
    unsound((inner) => ({
      wrapKey: (key, context) => {
        last = key
        return Promise.resolve().then(() => inner.wrapKey(last ?? key, context))
      },
    })),
  ],
  [
    'accepts a wrap whose first byte was changed',
    CHANGED,
    unsound((inner) => ({
      wrapKey: async (key, context) =>
        Buffer.concat([Buffer.of(1), await inner.wrapKey(key, context)]),
      unwrapKey: (wrapped, context) => inner.unwrapKey(wrapped.subarray(1), context),
    })),
  ],
  [
    'calls a changed wrap an outage',
    CHANGED,
    rejects((e) => new MortiseError('ERR_KEY_PROVIDER', e.message)),
  ],
  ['throws errors of its own', CHANGED, rejects((e) => new Error(e.message))],
  ['gives no failure', CHANGED, rejects((e) => new MortiseError('ERR_KEY_INTEGRITY', e.message))],
  [
    'calls integrity retryable',
    CHANGED,
    rejects((e) => new MortiseError(e.code, e.message, { failure: 'integrity', retryable: true })),
  ],
  [
    'calls another root key an outage',
    OTHER_ROOT,
    rejects((e) => new MortiseError('ERR_KEY_PROVIDER', e.message, { failure: 'transient' })),
  ],
  [
    'changes its mind about an error',
    ALIKE,
    rejects(
      (e) => new MortiseError(calls++ % 2 ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_STATE', e.message),
    ),
  ],
  ['has another URI each time', URI, { create: () => sound(SECRET, `n${calls++}`) }],
  ['has its secret in the URI', URI, unsound(() => ({ uri: `sound:${SECRET}` }))],
  ['has a space in its URI', URI, unsound(() => ({ uri: 'two words' }))],
  ['prints its secret', PRINTS, { create: () => ({ ...sound(), secret: SECRET }) as KeyProvider }],
  [
    'prints its secret as bytes',
    PRINTS,
    { create: () => ({ ...sound(), secret: Buffer.from(SECRET, 'base64url') }) as KeyProvider },
  ],
  [
    'puts the wrap into its errors',
    ERRORS,
    unsound((inner) => ({
      unwrapKey: (wrapped, context) =>
        inner.unwrapKey(wrapped, context).catch((error: MortiseError) => {
          const message = `${error.message}: ${Buffer.from(wrapped).toString('hex')}`
          throw new MortiseError(error.code, message, error)
        }),
    })),
  ],
  [
    'puts the key into the cause of its errors',
    ERRORS,
    unsound((inner) => ({
      wrapKey: (key, context) =>
        inner.wrapKey(key, context).catch((error: Error) => {
          throw Object.assign(error, { request: { body: Buffer.from(key) } })
        }),
    })),
  ],
  [
    'changes its URI when it is opened again',
    REOPENS,
    {
      create: () => {
        let opened = 0
        const inner = sound()
        return Object.defineProperty({ ...inner, open: async () => void opened++ }, 'uri', {
          get: () => (opened > 1 ? 'sound:again' : 'sound:once'),
        }) as KeyProvider
      },
    },
  ],
  [
    'is spoilt by an aborted call',
    ABORTS,
    unsound((inner) => {
      let spoilt = false
      return {
        unwrapKey: (wrapped, context, options) => {
          spoilt ||= options?.signal?.aborted ?? false
          return spoilt ? Promise.reject(new Error('spoilt')) : inner.unwrapKey(wrapped, context)
        },
      }
    }),
  ],
  ['calls an outage final', OUTAGE, { createUnavailable: unavailable({ failure: 'transient' }) }],
  [
    'calls an outage a refusal',
    OUTAGE,
    { createUnavailable: unavailable({ failure: 'access', retryable: true }) },
  ],
  [
    'does not say which provider is out of reach',
    OUTAGE,
    { createUnavailable: unavailable({ failure: 'transient', retryable: true }, () => 'sorry') },
  ],
  ['works on after it was closed', CLOSES, unsound(() => ({ close: async () => {} }))],
  [
    'cannot be closed twice',
    CLOSES,
    unsound((inner) => {
      let closed = false
      return {
        close: async () => {
          if (closed) throw new Error('closed already')
          closed = true
          await inner.close?.()
        },
      }
    }),
  ],
  [
    'rewraps under no context',
    REWRAPS,
    unsound((inner) => ({
      rewrapKey: async (wrapped, context) =>
        inner.wrapKey(await inner.unwrapKey(wrapped, context), { ...context, domain: 'other' }),
    })),
  ],
  [
    'claims to rewrap what it cannot read',
    REWRAPS_OTHER,
    unsound((inner) => ({
      rewrapKey: async (wrapped, context, sourceUri) =>
        sourceUri === 'in-app:other'
          ? inner.wrapKey(Buffer.alloc(32, 1), context)
          : (inner.rewrapKey?.(wrapped, context, sourceUri) ?? null),
    })),
  ],
  [
    'rewraps wraps of any kind',
    FOREIGN,
    unsound((inner) => ({
      rewrapKey: async (wrapped, context, sourceUri) =>
        sourceUri.startsWith('in-app:')
          ? (inner.rewrapKey?.(wrapped, context, sourceUri) ?? null)
          : inner.wrapKey(Buffer.alloc(32, 1), context),
    })),
  ],
  [
    'rewraps what does not authenticate',
    REWRAPS_WRONG,
    unsound((inner) => ({
      rewrapKey: async (wrapped, context, sourceUri) => {
        if (sourceUri !== inner.uri) return null
        const key = await inner.unwrapKey(wrapped, context).catch(() => Buffer.alloc(32, 1))
        return inner.wrapKey(key, context)
      },
    })),
  ],
]

describe('providerConformance', () => {
  it('has nothing against a sound provider', async () => {
    expect(await violations(SOUND)).toEqual([])
  })

  it('leaves out the situations that a target does not offer', async () => {
    const all = providerConformance(SOUND).map(({ name }) => name)
    const few = providerConformance({ create: SOUND.create }).map(({ name }) => name)
    expect(all.filter((name) => !few.includes(name))).toEqual([
      OTHER_ROOT,
      WAITS,
      OUTAGE,
      REWRAPS_OTHER,
    ])
  })

  it.each(UNSOUND)('catches a provider that %s', async (_what, violated, target) => {
    expect(await violations({ ...SOUND, ...target })).toContain(violated)
  })

  it('has no check but that for waiting which none of these fails', () => {
    const caught = new Set(UNSOUND.map(([, violated]) => violated))
    const names = providerConformance(SOUND).map(({ name }) => name)
    expect(names.filter((name) => !caught.has(name))).toEqual([WAITS])
  })

  it('catches a provider that waits for ever', async () => {
    vi.useFakeTimers()
    const createHanging = () => ({ ...sound(), unwrapKey: () => new Promise<never>(() => {}) })
    const checks = providerConformance({ ...SOUND, createHanging })
    const run = checks.find(({ name }) => name === WAITS)?.run()
    const failure = expect(run).rejects.toThrow('went on after its signal had aborted')
    await vi.advanceTimersByTimeAsync(10_000)
    await failure
    vi.useRealTimers()
  })

  it('says what is violated, and never with the key', async () => {
    const target = { ...SOUND, ...wrapsUnder((context) => ({ ...context, version: 1 })) }
    const check = providerConformance(target).find(({ name }) => name === BINDS)
    await expect(check?.run()).rejects.toThrow(/^a wrap for \(use kek, .*\) opened as \(/)
  })
})
