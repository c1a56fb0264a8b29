import { describe, expect, it } from 'vitest'
import { SessionPool } from '../../../src/providers/pkcs11/session-pool'

const LOST = new Error('lost')

function poolOf(limit: number, canOpen = Number.POSITIVE_INFINITY) {
  let opened = 1
  const closed: number[] = []
  const pool = new SessionPool(Buffer.of(1), limit, {
    open: () => {
      if (opened >= canOpen) {
        throw Object.assign(new Error('CKR_SESSION_COUNT'), { name: 'Pkcs11Error', code: 0xb1 })
      }
      opened += 1
      return Buffer.of(opened)
    },
    close: (session) => closed.push(session.readUInt8()),
    isLost: (error) => error === LOST,
  })
  return { pool, closed, opened: () => opened }
}

/** An operation that ends when it is told to. */
function held(): { operation: (session: Buffer) => Promise<number>; end: (error?: Error) => void } {
  let end = (_error?: Error): void => {}
  const ended = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(error))
  })
  return { operation: (session) => ended.then(() => session.readUInt8()), end: (e) => end(e) }
}

describe('SessionPool', () => {
  it('uses a session again, and opens one only for what runs at the same time', async () => {
    const { pool, opened } = poolOf(4)
    for (let i = 0; i < 10; i += 1) await pool.use(async () => {})
    expect(opened()).toBe(1)
    const [a, b] = [held(), held()]
    const both = Promise.all([pool.use(a.operation), pool.use(b.operation)])
    a.end()
    b.end()
    expect((await both).sort()).toEqual([1, 2])
  })

  it('never gives one session to two operations, nor opens more than its limit', async () => {
    const { pool, opened } = poolOf(3)
    const inUse = new Set<number>()
    const call = async (session: Buffer): Promise<void> => {
      expect(inUse.has(session.readUInt8())).toBe(false)
      inUse.add(session.readUInt8())
      await new Promise((resolve) => setImmediate(resolve))
      inUse.delete(session.readUInt8())
    }
    await Promise.all(Array.from({ length: 100 }, () => pool.use(call)))
    expect(opened()).toBe(3)
  })

  it('makes do with fewer sessions where the token has no more', async () => {
    const { pool } = poolOf(4, 2)
    const results = Array.from({ length: 10 }, () => pool.use(async (s) => s.readUInt8()))
    expect(new Set(await Promise.all(results)).size).toBeLessThanOrEqual(2)
  })

  it('serves those who wait in order, and not those who gave up', async () => {
    const { pool } = poolOf(1)
    const first = held()
    const running = pool.use(first.operation)
    const order: string[] = []
    const controller = new AbortController()
    const calls = ['a', 'b', 'c'].map((name) =>
      pool.use(
        async () => order.push(name),
        name === 'b' ? controller.signal : new AbortController().signal,
      ),
    )
    controller.abort(LOST)
    await expect(calls[1]).rejects.toBe(LOST)
    first.end()
    await Promise.all([running, calls[0], calls[2]])
    expect(order).toEqual(['a', 'c'])
    await expect(pool.use(async () => {}, controller.signal)).rejects.toBe(LOST)
  })

  it('closes its sessions when it is retired, but none that was lost', async () => {
    const { pool, closed } = poolOf(4)
    const calls = [held(), held(), held()]
    const results = calls.map(({ operation }) => pool.use(operation))
    calls[0]?.end()
    await results[0]
    pool.retire(LOST)
    expect(closed).toEqual([1])
    let drained = false
    const draining = pool.drained().then(() => {
      drained = true
    })
    calls[1]?.end(LOST)
    await expect(results[1]).rejects.toBe(LOST)
    expect(drained).toBe(false)
    calls[2]?.end()
    await results[2]
    await draining
    expect(closed).toEqual([1, 3])
    await expect(pool.use(async () => {})).rejects.toBe(LOST)
  })

  it('tells those who wait when it is retired', async () => {
    const { pool } = poolOf(1)
    const first = held()
    const running = pool.use(first.operation)
    const waiting = pool.use(async () => {})
    pool.retire(LOST)
    await expect(waiting).rejects.toBe(LOST)
    first.end()
    await running
    await pool.drained()
  })
})
