import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isMortiseError, MortiseError } from '../errors'
import { EMPTY_CONTENT, type StoreContent } from './content'
import { type ContentChange, contentStore } from './content-store'
import { contentFromJson, contentToJson } from './file-format'
import { hasCode, withFileLock } from './file-lock'
import type { KeyStore } from './store'

/** Read and write for the owner, nothing for anybody else. */
const MODE = 0o600

/**
 * A key store in one JSON file: for a single machine, a command-line tool, a small service.
 *
 * Several processes may share the file. Every change is written to a second file, flushed and
 * renamed over the first under a lock file, so a reader sees the old state or the new one, and a
 * crash leaves one of the two. The file holds wrapped keys only; it is refused all the same where
 * its group or others may read or write it, because nobody but the application has business there.
 *
 * @param path - created with mode 0600 at the first write; its directory must exist. Beside it
 * appear `PATH.lock` and `PATH.tmp` for the time of a write.
 * @throws ERR_KEY_STORE on use: permissions too wide, unknown format, a lock that stays, I/O errors
 */
export function fileKeyStore(path: string): KeyStore {
  const file = resolve(path)
  const guarded = <T>(action: string, work: () => Promise<T>): Promise<T> =>
    work().catch((error: unknown) => {
      throw storeError(file, action, error)
    })
  const update = (change: ContentChange): Promise<boolean> =>
    guarded('written', () => withFileLock(`${file}.lock`, () => applyChange(file, change)))
  return {
    ...contentStore(() => guarded('read', () => read(file)), update),
    createTables: async () => {
      await update((content) => (content === EMPTY_CONTENT ? { ...EMPTY_CONTENT } : null))
    },
  }
}

async function applyChange(file: string, change: ContentChange): Promise<boolean> {
  const next = change(await read(file))
  if (next === null) return false
  await replace(file, contentToJson(next))
  return true
}

async function read(file: string): Promise<StoreContent> {
  const handle = await openIfPresent(file)
  if (handle === null) return EMPTY_CONTENT
  try {
    await checkPermissions(handle, file)
    return contentFromJson(await handle.readFile('utf8'), file)
  } finally {
    await handle.close()
  }
}

async function openIfPresent(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** On the open handle, so that the file checked is the file read. Windows has no such mode bits. */
async function checkPermissions(handle: FileHandle, file: string): Promise<void> {
  const { mode } = await handle.stat()
  if (process.platform === 'win32' || (mode & 0o077) === 0) return
  throw new MortiseError(
    'ERR_KEY_STORE',
    `${file} is open to its group or to others (mode ${(mode & 0o777).toString(8)}); run: chmod 600 ${file}`,
  )
}

/** Under the lock, so a temporary file that exists was left by a crash. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`
  await removeIfPresent(temporary)
  const handle = await open(temporary, 'wx', MODE)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await flushDirectory(dirname(file))
}

async function removeIfPresent(file: string): Promise<void> {
  try {
    await unlink(file)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

/** A rename is durable once its directory is flushed; Windows cannot open one. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function storeError(file: string, action: string, error: unknown): MortiseError {
  if (isMortiseError(error)) return error
  const code = (error as { code?: unknown } | null)?.code
  const reason = typeof code === 'string' ? ` (${code})` : ''
  return new MortiseError(
    'ERR_KEY_STORE',
    `the key store ${file} could not be ${action}${reason}; check that its directory exists and that this user may write there`,
    { cause: error },
  )
}
