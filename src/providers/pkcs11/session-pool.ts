import { ckrName } from './failure'
import type { Handle } from './module'

/** How sessions are made and given back. */
export interface SessionActions {
  readonly open: () => Handle
  readonly close: (session: Handle) => void
  /** Whether a session is of no use after this error. */
  readonly isLost: (error: unknown) => boolean
}

interface Waiter {
  readonly give: (session: Handle) => void
  readonly fail: (error: unknown) => void
}

/**
 * A bounded number of sessions, each used by one operation at a time: a session holds the state of
 * one operation only. Callers beyond the bound wait in order.
 */
export class SessionPool {
  readonly #actions: SessionActions
  readonly #idle: Handle[]
  readonly #waiting: Waiter[] = []
  #limit: number
  #open = 1
  #retiredBy: unknown
  #drained: (() => void)[] = []

  /** @param first - a session that is already open */
  constructor(first: Handle, limit: number, actions: SessionActions) {
    this.#idle = [first]
    this.#limit = limit
    this.#actions = actions
  }

  /**
   * Runs an operation with a session of its own.
   *
   * @throws what `signal` gives as reason, where it aborts before a session is free, and what the pool
   * was retired by
   */
  async use<T>(operation: (session: Handle) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#retiredBy !== undefined) throw this.#retiredBy
    const session = this.#take() ?? (await this.#wait(signal))
    let lost = false
    try {
      return await operation(session)
    } catch (error) {
      lost = this.#actions.isLost(error)
      throw error
    } finally {
      this.#giveBack(session, lost)
    }
  }

  /** Closes idle sessions, and the others as they come back. Whoever waits gets the error. */
  retire(error: Error): void {
    this.#retiredBy = error
    for (const session of this.#idle.splice(0)) this.#discard(session, false)
    for (const { fail } of this.#waiting.splice(0)) fail(error)
  }

  /** Resolves when a retired pool has no session in use any more. */
  async drained(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  #take(): Handle | undefined {
    const idle = this.#idle.pop()
    if (idle !== undefined || this.#open >= this.#limit) return idle
    try {
      const session = this.#actions.open()
      this.#open += 1
      return session
    } catch (error) {
      // The token has fewer sessions for us than the limit: those that are open must do.
      if (ckrName(error) !== 'CKR_SESSION_COUNT' || this.#open === 0) throw error
      this.#limit = this.#open
      return undefined
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<Handle> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(signal?.reason)
      }
      const settled = (): void => signal?.removeEventListener('abort', abort)
      const waiter: Waiter = {
        give: (session) => {
          settled()
          resolve(session)
        },
        fail: (error) => {
          settled()
          reject(error)
        },
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting.push(waiter)
    })
  }

  #giveBack(session: Handle, lost: boolean): void {
    if (lost || this.#retiredBy !== undefined) {
      this.#discard(session, lost)
      return
    }
    const waiter = this.#waiting.shift()
    if (waiter === undefined) this.#idle.push(session)
    else waiter.give(session)
  }

  /** A lost session is not closed: its number may already belong to another one. */
  #discard(session: Handle, lost: boolean): void {
    this.#open -= 1
    if (!lost) this.#actions.close(session)
    if (this.#open === 0) for (const resolve of this.#drained.splice(0)) resolve()
  }
}
