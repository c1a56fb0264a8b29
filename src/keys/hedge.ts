/** How {@link hedge} goes on from one task to the next. */
export interface HedgeOptions {
  /** The next task is started when those before it have not answered for this long. */
  readonly delayMs: number
  /** An error that ends everything, also where another task might succeed. */
  readonly isFinal: (error: unknown) => boolean
  /** Told which task was started beside those that have not answered yet. */
  readonly onHedge: (index: number) => void
}

/**
 * The result of the first task that succeeds. A task starts when the one before it failed or takes
 * too long; once the outcome is known, the signals of those that still run abort.
 *
 * @returns the result; or the errors of all tasks, in the order of the tasks
 * @throws the error that {@link HedgeOptions.isFinal} picked
 */
export function hedge<T>(
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
  options: HedgeOptions,
): Promise<{ readonly value: T } | { readonly errors: readonly unknown[] }> {
  const controller = new AbortController()
  const errors: unknown[] = []
  let started = 0
  let failed = 0
  let timer: NodeJS.Timeout | undefined
  return new Promise<{ value: T } | { errors: unknown[] }>((resolve, reject) => {
    const startNext = (): void => {
      clearTimeout(timer)
      const index = started++
      const task = tasks[index]
      if (task === undefined) {
        if (failed === tasks.length) resolve({ errors })
        return
      }
      if (index > failed) options.onHedge(index)
      if (started < tasks.length) timer = setTimeout(startNext, options.delayMs)
      task(controller.signal).then(
        (value) => resolve({ value }),
        (error: unknown) => {
          errors[index] = error
          failed++
          if (options.isFinal(error)) reject(error)
          else if (!controller.signal.aborted) startNext()
        },
      )
    }
    startNext()
  }).finally(() => {
    clearTimeout(timer)
    controller.abort(new DOMException('another provider answered first', 'AbortError'))
  })
}
