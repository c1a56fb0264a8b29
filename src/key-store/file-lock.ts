import { readlinkSync } from 'node:fs'
import { type FileHandle, open, readFile, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomBytes } from '../crypto/random'
import { MortiseError } from '../errors'

/** A write takes milliseconds; whoever waits longer than this has met a lock left behind. */
const TIMEOUT_MS = 10_000
const RETRY_MS = 20

interface LockOwner {
  /** Host name and PID namespace: only inside them does a process id mean anything. */
  readonly host: string
  readonly pid: number
  readonly token: string
}

/**
 * Runs `work` while holding an exclusive lock file, across processes.
 *
 * A lock is never judged by its age, so a slow writer is never robbed. One whose process no longer
 * exists on this host is removed by exactly one waiter, which holds a second lock while it looks
 * again and removes; one that cannot be judged (another host, unreadable) is left to the operator.
 *
 * @param path - the lock file itself
 * @throws ERR_KEY_STORE (retryable) where the lock stays taken for 10 s
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await acquire(path)
  try {
    return await work()
  } finally {
    await unlink(path)
  }
}

async function acquire(path: string): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  while (!(await create(path))) {
    const owner = await readOwner(path)
    if (owner !== null && isGone(owner)) await removeAbandoned(path, owner)
    else if (performance.now() > deadline) throw stillLocked(path, owner)
    else await sleep(RETRY_MS * (0.5 + Math.random()))
  }
}

async function create(path: string): Promise<boolean> {
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
  const token = randomBytes(8).toString('hex')
  try {
    await file.writeFile(JSON.stringify({ host: thisHost(), pid: process.pid, token }))
  } catch (error) {
    // A lock that does not say whose it is would stay for ever.
    await unlink(path)
    throw error
  } finally {
    await file.close()
  }
  return true
}

/** While `.break` is held nobody else removes the lock, so what was read again stays true. */
async function removeAbandoned(path: string, owner: LockOwner): Promise<void> {
  const breaking = `${path}.break`
  if (!(await create(breaking))) {
    await sleep(RETRY_MS)
    return
  }
  try {
    if ((await readOwner(path))?.token === owner.token) await unlink(path)
  } finally {
    await unlink(breaking)
  }
}

async function readOwner(path: string): Promise<LockOwner | null> {
  try {
    const { host, pid, token } = JSON.parse(await readFile(path, 'utf8')) as Partial<LockOwner>
    const complete = typeof host === 'string' && typeof token === 'string' && Number(pid) > 0
    return complete ? { host, pid: Number(pid), token } : null
  } catch {
    return null
  }
}

function isGone({ host, pid }: LockOwner): boolean {
  if (host !== thisHost()) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return hasCode(error, 'ESRCH')
  }
}

function thisHost(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

function stillLocked(path: string, owner: LockOwner | null): MortiseError {
  const by = owner === null ? 'an unknown process' : `process ${owner.pid} on ${owner.host}`
  return new MortiseError(
    'ERR_KEY_STORE',
    `the key store stays locked by ${by}; if that process no longer runs, delete ${path} and, if it exists, ${path}.break`,
    { retryable: true },
  )
}

/** Whether a system error carries this code (`ENOENT`, `EEXIST`, …). */
export function hasCode(error: unknown, code: string): boolean {
  return (error as { code?: unknown } | null)?.code === code
}
