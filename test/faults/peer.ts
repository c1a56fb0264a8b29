import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A process that answers one command after the other. */
export interface Peer {
  /** @throws where the process ended, or says what was thrown */
  ask<T>(command: string, options?: object): Promise<T>
  end(): Promise<void>
  /** SIGKILL: nothing of the process runs any more. */
  kill(): Promise<void>
}

/** Starts a script and waits until it says that it is ready. */
export async function startPeer(script: string, parameters: readonly string[]): Promise<Peer> {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [script, ...parameters])
  child.stderr.pipe(process.stderr)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.stdin.on('error', () => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async (): Promise<never> => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the process ended')
    const answered: unknown = JSON.parse(value as string)
    const { thrown } = (answered ?? {}) as { thrown?: string }
    if (thrown !== undefined) throw new Error(thrown)
    return answered as never
  }
  if ((await answer()) !== 'ready') throw new Error('the process is not ready')
  return {
    ask: (command, options = {}) => {
      child.stdin.write(`${JSON.stringify({ command, ...options })}\n`)
      return answer()
    },
    end: async () => {
      child.stdin.end()
      await exited
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
