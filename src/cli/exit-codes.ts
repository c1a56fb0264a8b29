/** How a command ended, for scripts: the numbers are part of the interface and never change. */
export const EXIT = {
  /** Done, nothing is left. */
  done: 0,
  /** Failed; stderr says why. */
  failed: 1,
  /** Called in a wrong way, or not confirmed where nobody could be asked: nothing was done. */
  usage: 2,
  /** Went through, and something is left that it could not do. */
  remains: 3,
  /** A check went through, and its answer is no. */
  no: 4,
} as const

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Signals that end a command, and the exit code that shells know each by. */
export const SIGNAL_EXIT: { readonly SIGINT: 130; readonly SIGTERM: 143 } = {
  SIGINT: 130,
  SIGTERM: 143,
}
