import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MortiseError, type ProviderFailure } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import { afterTime, eventLog, rejection } from '../keys/fixtures'
import { type FaultyProvider, faultyProvider } from '../keys/scripted-calls'

const SOFT_TTL_MS = 300_000
const HARD_TTL_MS = 3_600_000

/** One row of docs/how-to/outages.md: what a fault is to the caller, to the provider and to memory. */
interface Row {
  readonly fault: unknown
  readonly code: string
  readonly failure: ProviderFailure | undefined
  readonly retryable: boolean
  /** Calls that one use of a key which is not in memory comes to. */
  readonly calls: number
  readonly outcome: string
  readonly breaker: 'open' | 'closed'
  /** What happens to a key in memory whose refresh meets the fault. */
  readonly cached: 'serves' | 'evicted'
  /** Milliseconds after which the provider is asked again, once the fault is gone. */
  readonly recoversMs: number
}

const fault = (failure: ProviderFailure, code: 'ERR_KEY_PROVIDER' | 'ERR_KEY_INTEGRITY') =>
  new MortiseError(code, `scripted ${failure}`, {
    failure,
    retryable: failure === 'transient' || failure === 'session',
  })

const down = {
  code: 'ERR_KEY_PROVIDER',
  retryable: true,
  breaker: 'open',
  cached: 'serves',
} as const
const refused = { retryable: false, calls: 1, breaker: 'closed', cached: 'evicted' } as const

const TABLE: Record<string, Row> = {
  transient: {
    ...down,
    fault: fault('transient', 'ERR_KEY_PROVIDER'),
    failure: 'transient',
    calls: 6,
    outcome: 'transient',
    recoversMs: 5_000,
  },
  'no answer': {
    ...down,
    fault: 'hang',
    failure: 'transient',
    calls: 5,
    outcome: 'transient',
    recoversMs: 5_000,
  },
  session: {
    ...down,
    fault: fault('session', 'ERR_KEY_PROVIDER'),
    failure: 'session',
    calls: 6,
    outcome: 'session',
    recoversMs: 5_000,
  },
  state: {
    ...refused,
    fault: fault('state', 'ERR_KEY_PROVIDER'),
    code: 'ERR_KEY_PROVIDER',
    failure: 'state',
    outcome: 'state',
    recoversMs: 1_000,
  },
  access: {
    ...refused,
    fault: fault('access', 'ERR_KEY_PROVIDER'),
    code: 'ERR_KEY_PROVIDER',
    failure: 'access',
    outcome: 'access',
    recoversMs: 60_000,
  },
  integrity: {
    ...refused,
    fault: fault('integrity', 'ERR_KEY_INTEGRITY'),
    code: 'ERR_KEY_INTEGRITY',
    failure: 'integrity',
    outcome: 'integrity',
    recoversMs: 1_000,
  },
  'an error of its own': {
    ...refused,
    fault: new TypeError('PIN 1234 is not a function'),
    code: 'ERR_KEY_PROVIDER',
    failure: undefined,
    outcome: 'error',
    recoversMs: 1_000,
  },
}
const ROWS = Object.entries(TABLE)

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(async () => {
  // The pool of random bytes is dropped after a second.
  await vi.advanceTimersByTimeAsync(1_000)
  const timers = vi.getTimerCount()
  vi.restoreAllMocks()
  vi.useRealTimers()
  expect(timers).toBe(0)
})

/** A keyring in a process of its own: the key exists, and is not in memory. */
async function coldKeyring() {
  const provider = faultyProvider()
  const store = memoryKeyStore()
  await createKeyring({ providers: [provider], store }).ready()
  provider.calls.length = 0
  const log = eventLog()
  const keyring = createKeyring({ providers: [provider], store, onEvent: log.onEvent })
  return { provider, keyring, access: keyAccess(keyring), ...log }
}

const unwraps = ({ calls }: FaultyProvider): number =>
  calls.filter((call) => call === 'unwrap').length

const failUnwrap = (provider: FaultyProvider, what: unknown): void => {
  provider.script = (call) => (call === 'unwrap' ? what : 'ok')
}

describe('a key that is not in memory', () => {
  it.each(ROWS)('and %s: class, code, number of calls, events', async (_name, row) => {
    const { provider, access, all, keyring } = await coldKeyring()
    failUnwrap(provider, row.fault)
    const error = await afterTime(10_000, rejection(access.sealingKey(), row.code))
    expect(error).toMatchObject({ retryable: row.retryable })
    expect((error as MortiseError).failure).toBe(row.failure)
    expect(unwraps(provider)).toBe(row.calls)
    const outcomes = all.flatMap((event) =>
      event.type === 'provider-call' && event.operation === 'unwrap' ? [event.outcome] : [],
    )
    expect(outcomes).toEqual(Array(row.calls).fill(row.outcome))
    const reported = row.failure === 'integrity' ? 'key-integrity' : 'provider-unavailable'
    expect(all.filter(({ type }) => type === reported)).toHaveLength(1)
    expect(all.some(({ type }) => type === 'provider-breaker')).toBe(row.breaker === 'open')
    await keyring.close()
  })

  it.each(ROWS)(
    'and %s: nothing is asked again too early, and it recovers by itself',
    async (_name, row) => {
      const { provider, access, keyring } = await coldKeyring()
      failUnwrap(provider, row.fault)
      await afterTime(row.retryable ? 10_000 : 0, rejection(access.sealingKey(), row.code))
      provider.script = undefined
      for (let i = 0; i < 10; i++) await rejection(access.sealingKey(), row.code)
      expect(unwraps(provider)).toBe(row.calls)
      await vi.advanceTimersByTimeAsync(row.recoversMs)
      expect(await access.sealingKey()).toMatchObject({ version: 1 })
      await keyring.close()
    },
  )

  it.each(ROWS)(
    'and %s: no message shows a secret, nor text that only the provider knows',
    async (_name, row) => {
      const { provider, access, keyring } = await coldKeyring()
      failUnwrap(provider, row.fault)
      const error = await afterTime(10_000, rejection(access.sealingKey(), row.code))
      expect(`${error.message} ${JSON.stringify(error)} ${inspect(keyring)}`).not.toContain('1234')
      await keyring.close()
    },
  )
})

describe('a key in memory', () => {
  it.each(ROWS)('and %s: what a refresh does to it', async (_name, row) => {
    const { provider, access, all, keyring } = await coldKeyring()
    const { id } = await access.sealingKey()
    failUnwrap(provider, row.fault)
    vi.advanceTimersByTime(SOFT_TTL_MS)
    await access.sealingKey()
    await vi.advanceTimersByTimeAsync(10_000)
    const types = () => new Set(all.map(({ type }) => type))
    if (row.cached === 'serves') {
      expect((await access.openingKeys([id])).size).toBe(1)
      expect(types()).toContain('key-stale-used')
      expect(types()).not.toContain('key-evicted')
    } else {
      const reason = row.failure ?? 'error'
      expect(all).toContainEqual(
        expect.objectContaining({ type: 'key-evicted', keyId: id, reason }),
      )
      await rejection(access.openingKeys([id]), row.code)
    }
    await keyring.close()
  })

  it('is not noticed to be cut off by readers before its hard TTL', async () => {
    const { provider, access, keyring } = await coldKeyring()
    const { id } = await access.sealingKey()
    failUnwrap(provider, fault('transient', 'ERR_KEY_PROVIDER'))
    for (let passed = 0; passed < HARD_TTL_MS - 30_000; passed += 30_000) {
      expect((await access.openingKeys([id])).size).toBe(1)
      await vi.advanceTimersByTimeAsync(30_000)
    }
    // At most one call a second for one key, and far fewer while the breaker is open.
    expect(unwraps(provider)).toBeLessThan(1 + (HARD_TTL_MS / 30_000) * 6)
    provider.script = undefined
    await vi.advanceTimersByTimeAsync(29_000)
    await access.openingKeys([id])
    await vi.advanceTimersByTimeAsync(60_000)
    expect((await access.openingKeys([id])).size).toBe(1)
    await keyring.close()
  })
})

describe('opening a provider', () => {
  it.each(ROWS)('that meets %s fails like a call, and is tried again later', async (_name, row) => {
    const { provider, access, keyring } = await coldKeyring()
    provider.calls.length = 0
    const fresh = faultyProvider()
    fresh.script = (call) => (call === 'open' ? row.fault : 'ok')
    const other = createKeyring({ providers: [fresh], store: memoryKeyStore() })
    const error = await afterTime(10_000, rejection(other.ready(), row.code))
    expect(error).toMatchObject({ retryable: row.retryable })
    fresh.script = undefined
    await vi.advanceTimersByTimeAsync(row.recoversMs)
    await other.ready()
    await access.sealingKey()
    await Promise.all([keyring.close(), other.close()])
  })
})
