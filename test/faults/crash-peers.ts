import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { RewrapReport } from '../../src/rotation'
import type { CrashWorld, Person } from './crash-world'

/** A process of crash-child.mjs. */
export interface Peer {
  readonly process: ChildProcess
  /** Resolves with the first line, past or to come, that has this member. */
  line<T>(member: string): Promise<T>
  /** Resolves when it is gone: exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** Starts processes over a world. */
export interface Peers {
  /** One that runs a rewrap. */
  job(options: object, endAt?: object): Peer
  /** One that writes until `stop`: its own rows of those that exist, and new ones. */
  writer(name: string, rows: { ids: readonly number[]; newFrom: number }, pollMs: number): Writer
  /** Ends what is left. */
  end(): Promise<void>
}

/** A process that writes. */
export interface Writer extends Peer {
  /** Every row that it wrote, as its last acknowledged write left it; null where it deleted it. */
  stop(): Promise<ReadonlyMap<number, Person | null>>
}

/** @param script - the copy of crash-child.mjs in a project that has the built package */
export function startPeers(script: string, { url, secret }: CrashWorld): Peers {
  const peers: Peer[] = []
  const start = (task: object): Peer => {
    const child = spawn(process.execPath, [script, JSON.stringify({ url, secret, ...task })])
    child.stderr.pipe(process.stderr)
    const lines: Record<string, unknown>[] = []
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(JSON.parse(line))
      child.emit('said')
    })
    const ended = once(child, 'close').then(([code, signal]) => code ?? signal)
    const peer: Peer = {
      process: child,
      ended,
      line: async (member) => {
        const isGone = ended.then(() => true)
        for (let isLast = false; ; ) {
          const found = lines.find((line) => member in line)
          if (found) return found[member] as never
          if (isLast) throw new Error(`ended without ${member}: ${JSON.stringify(lines.at(-1))}`)
          isLast = await Promise.race([once(child, 'said').then(() => false), isGone])
        }
      },
    }
    peers.push(peer)
    return peer
  }
  return {
    job: (options, endAt) => start({ role: 'job', name: 'job', verb: 'rewrap', options, endAt }),
    writer: (name, rows, pollMs) => {
      const peer = start({ role: 'writer', name, pollMs, ...rows })
      return {
        ...peer,
        stop: async () => {
          peer.process.stdin?.end()
          const rows = await peer.line<Record<string, Person | null>>('acknowledged')
          return new Map(Object.entries(rows).map(([id, row]) => [Number(id), row]))
        },
      }
    },
    end: async () => {
      for (const { process } of peers) process.kill('SIGKILL')
      await Promise.all(peers.map(({ ended }) => ended))
    },
  }
}

/** The report of a job that went through. */
export async function reportOf(peer: Peer): Promise<RewrapReport> {
  const report = await peer.line<RewrapReport>('report')
  const code = await peer.ended
  if (code !== 0) throw new Error(`the job ended with ${code}`)
  return report
}
