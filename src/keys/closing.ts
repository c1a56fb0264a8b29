import { setMaxListeners } from 'node:events'
import { MortiseError } from '../errors'

/** Whether a keyring was closed: every use asks first, and calls of providers that run then end. */
export class Closing {
  readonly #controller = new AbortController()
  #closed: Promise<void> | undefined

  constructor() {
    // Every call of a provider listens while it runs; Node would warn of a leak at the eleventh.
    setMaxListeners(0, this.#controller.signal)
  }

  /** Aborts when the keyring is closed, with ERR_CLOSED as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** @throws ERR_CLOSED once the keyring was closed */
  check(): void {
    this.signal.throwIfAborted()
  }

  /** Closes once, however often it is called. */
  begin(close: () => Promise<void>): Promise<void> {
    if (this.#closed !== undefined) return this.#closed
    this.#controller.abort(closedError())
    this.#closed = close()
    return this.#closed
  }
}

function closedError(): MortiseError {
  return new MortiseError(
    'ERR_CLOSED',
    'this keyring was closed; make a new one with createKeyring, with new providers',
  )
}
