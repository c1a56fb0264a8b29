/** When an {@link attempt} ends before its work does. */
export interface AttemptLimits {
  readonly timeoutMs: number
  /** What the attempt rejects with after that time. */
  readonly timedOut: () => Error
  /** Each ends the attempt, which then rejects with the signal's reason. */
  readonly signals: readonly AbortSignal[]
  /** Told what the work rejected with after the attempt had ended. */
  readonly onLate: (error: unknown) => void
}

/**
 * Runs `work` for a limited time. When that is over its signal aborts, and the attempt ends whether
 * or not the work takes notice. Bytes that arrive later are a key that nobody owns: they are zeroed.
 */
export async function attempt<T>(
  work: (signal: AbortSignal) => Promise<T>,
  limits: AttemptLimits,
): Promise<T> {
  for (const signal of limits.signals) signal.throwIfAborted()
  const controller = new AbortController()
  let giveUp = (_reason: unknown): void => {}
  const givenUp = new Promise<never>((_resolve, reject) => {
    giveUp = (reason) => {
      reject(reason)
      controller.abort(reason)
    }
  })
  const timer = setTimeout(() => giveUp(limits.timedOut()), limits.timeoutMs)
  const stopListening = onAbort(limits.signals, giveUp)
  const working = workNow(work, controller.signal)
  working.then(
    (value) => controller.signal.aborted && zero(value),
    (error: unknown) => controller.signal.aborted && limits.onLate(error),
  )
  try {
    return await Promise.race([working, givenUp])
  } finally {
    clearTimeout(timer)
    stopListening()
  }
}

/** Waits, unless a signal aborts first: then it rejects with the signal's reason. */
export async function pause(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  for (const signal of signals) signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const stopListening = onAbort(signals, (reason) => {
      clearTimeout(timer)
      reject(reason)
    })
    const timer = setTimeout(() => {
      stopListening()
      resolve()
    }, ms)
  })
}

/** @returns takes the listeners off again */
function onAbort(signals: readonly AbortSignal[], listener: (reason: unknown) => void): () => void {
  const removals = signals.map((signal) => {
    const listen = (): void => listener(signal.reason)
    signal.addEventListener('abort', listen, { once: true })
    return () => signal.removeEventListener('abort', listen)
  })
  return () => {
    for (const remove of removals) remove()
  }
}

/** A provider that throws before it returns a promise fails like any other. */
async function workNow<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return work(signal)
}

function zero(value: unknown): void {
  if (ArrayBuffer.isView(value))
    new Uint8Array(value.buffer, value.byteOffset, value.byteLength).fill(0)
}
