import { MortiseError } from '../../errors'
import { type Connection, openConnection } from './connection'
import { failed, failureOf, type Pkcs11Step, providerFailure } from './failure'
import { acquireModule, type Pkcs11Module } from './module'
import { fetchPin, type PinSource } from './pin'
import type { Pkcs11KeyName } from './uri'
import type { Token } from './wrapping'

/** Which token and key to connect to, and how. */
export interface Pkcs11Target {
  readonly uri: string
  readonly name: Pkcs11KeyName
  /** Path of the module. */
  readonly module: string
  readonly pin: PinSource
}

/**
 * A connection that is made at first use, shared by all calls, and made anew when it is lost.
 *
 * A call whose session was lost is tried once more with a new connection, exactly once. A login that
 * the token refused is remembered: every further one could lock the token.
 */
export class ReconnectingToken {
  readonly #target: Pkcs11Target
  #module: Pkcs11Module | undefined
  #connection: Connection | undefined
  #connecting: Promise<Connection> | undefined
  #refused: MortiseError | undefined
  /** The last connection, from its loss until there is a new one. */
  #lost: Connection | undefined
  /** Settles with the last call on sessions of connections that were lost. */
  #drained: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  readonly #closing = new AbortController()

  constructor(target: Pkcs11Target) {
    this.#target = target
  }

  /**
   * Runs an operation on a session of its own.
   *
   * @throws ERR_KEY_PROVIDER, ERR_KEY_INTEGRITY, ERR_CONFIG, ERR_CLOSED
   */
  async run<T>(
    step: Pkcs11Step,
    operation: (token: Token) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { uri } = this.#target
    try {
      return await this.#attempt(operation, signal).catch((error) => {
        if (failureOf(error, step) !== 'session') throw error
        return this.#attempt(operation, signal)
      })
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw gaveUp(uri)
      throw providerFailure(error, uri, step)
    }
  }

  /** Closes the sessions that are this token's own, after the calls under way. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const closed = new MortiseError(
      'ERR_CLOSED',
      `${this.#target.uri} was closed; make a new provider`,
    )
    this.#closing.abort(closed)
    await this.#connecting?.catch(() => {})
    const connection = this.#connection
    this.#connection = undefined
    connection?.sessions.retire(closed)
    await Promise.all([this.#drained, connection?.sessions.drained()])
    this.#module?.release()
  }

  async #attempt<T>(
    operation: (token: Token) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted()
    const connection = this.#current() ?? (await untilAborted(this.#connect(), signal))
    const module = this.#module as Pkcs11Module
    const { uri } = this.#target
    const { rootKey, sessions } = connection
    try {
      return await sessions.use(
        (session) => module.guard(() => operation({ uri, module, session, rootKey })),
        signal,
      )
    } catch (error) {
      if (failureOf(error, 'unwrap') === 'session') this.#lose(connection, error as Error)
      throw error
    }
  }

  #current(): Connection | undefined {
    this.#closing.signal.throwIfAborted()
    if (this.#refused !== undefined) throw this.#refused
    const connection = this.#connection
    if (connection === undefined || connection.epoch === this.#module?.epoch) return connection
    this.#lose(connection, failed(this.#target.uri, 'session', 'the module was initialised anew'))
    return undefined
  }

  #lose(connection: Connection, error: Error): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#lost = connection
    connection.sessions.retire(error)
    this.#drained = Promise.all([this.#drained, connection.sessions.drained()])
  }

  /** Single-flight, however many calls wait. */
  #connect(): Promise<Connection> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #open(): Promise<Connection> {
    this.#module ??= acquireModule(this.#target.module)
    this.#module.initialize()
    const connection = await this.#openOnce(this.#module).catch((error) =>
      this.#openAnew(this.#module as Pkcs11Module, error),
    )
    this.#lost = undefined
    this.#connection = connection
    return connection
  }

  /** Once per loss: a key that is gone is still gone after the module was initialised anew. */
  async #openAnew(module: Pkcs11Module, error: unknown): Promise<Connection> {
    if (this.#lost === undefined || failureOf(error, 'connect') === 'access') throw error
    await this.#lost.sessions.drained()
    if (!module.reinitialize()) throw error
    this.#lost = undefined
    return this.#openOnce(module)
  }

  async #openOnce(module: Pkcs11Module): Promise<Connection> {
    const { name, pin, uri } = this.#target
    const connection = openConnection(module, name, undefined)
    if (connection !== null) return connection
    const fetched = await untilAborted(fetchPin(pin, uri), this.#closing.signal)
    try {
      return openConnection(module, name, fetched) as Connection
    } catch (error) {
      if (failureOf(error, 'connect') === 'access') this.#refused = error as MortiseError
      throw error
    }
  }
}

/** The work goes on when nobody waits for it any more; its failure is then nobody's. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
  return Promise.race([aborted, work]).finally(() => signal.removeEventListener('abort', abort))
}

function gaveUp(uri: string): MortiseError {
  return failed(uri, 'transient', 'the caller gave up before a session was free')
}
