import { SIGNAL_EXIT } from './exit-codes'

type SignalName = keyof typeof SIGNAL_EXIT

/** The reason of an abort that a signal of the operating system asked for. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly exitCode: number

  constructor(name: SignalName) {
    super(`stopped by ${name}`)
    this.exitCode = SIGNAL_EXIT[name]
  }
}

/**
 * npx hands a signal on to its child, which had it from the terminal already: what follows within
 * this time is the same key press.
 */
const SAME_PRESS_MS = 500

/**
 * Runs work that stops cleanly on the first SIGINT or SIGTERM and ends the process on the second.
 *
 * @param onFirst - tells the person at the terminal what happens now
 */
export async function interruptible<T>(
  onFirst: () => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  let firstAt: number | undefined
  const listener = (name: SignalName): void => {
    if (firstAt === undefined) {
      firstAt = performance.now()
      onFirst()
      controller.abort(new Interruption(name))
    } else if (performance.now() - firstAt > SAME_PRESS_MS) {
      process.exit(SIGNAL_EXIT[name])
    }
  }
  const names = Object.keys(SIGNAL_EXIT) as SignalName[]
  for (const name of names) process.on(name, listener)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of names) process.off(name, listener)
  }
}
