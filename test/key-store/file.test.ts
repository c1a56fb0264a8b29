import { fork } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileKeyStore } from '../../src/key-store/file'
import type { SubjectKeyRecord } from '../../src/key-store/store'
import { subjectKeyToJson } from '../../src/key-store/subject-json'
import { describeKeyStore } from './contract'
import { describeHistoryStore } from './history-contract'
import { someIndex, someKey, someSubjectKey, someTombstone } from './records'
import { describeSubjectStore } from './subject-contract'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mortise-file-store-'))
  path = join(directory, 'keys.json')
})

afterEach(() => {
  chmodSync(directory, 0o700)
  rmSync(directory, { recursive: true })
})

describeKeyStore('fileKeyStore', async () => () => fileKeyStore(path))
describeSubjectStore('fileKeyStore', async () => () => fileKeyStore(path))
describeHistoryStore('fileKeyStore', async () => () => fileKeyStore(path))

async function filled(): Promise<void> {
  await fileKeyStore(path).insertKey({ key: someKey(), demote: null })
  await fileKeyStore(path).insertIndexes([someIndex()])
}

/** Changes one member of the stored JSON, named by its path. */
function setMember(member: string, value: unknown): void {
  const json: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'))
  const names = member.split('.')
  const last = names.pop() ?? ''
  const parent = names.reduce((object, name) => object[name] as Record<string, unknown>, json)
  parent[last] = value
  writeFileSync(path, JSON.stringify(json))
}

describe('the file', () => {
  it('is readable by its owner alone, and nothing else stays behind', async () => {
    const umask = process.umask(0)
    try {
      await filled()
    } finally {
      process.umask(umask)
    }
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['keys.json'])
  })

  it('is made by createTables, empty', async () => {
    await fileKeyStore(path).createTables?.()
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ version: 1, keys: [] })
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it.each([0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610])(
    'is refused with mode %o, for reading and for writing',
    async (mode) => {
      await filled()
      const before = readFileSync(path, 'utf8')
      chmodSync(path, mode)
      const refused = { code: 'ERR_KEY_STORE', message: expect.stringContaining('chmod 600') }
      const store = fileKeyStore(path)
      await expect(store.loadKeys('default')).rejects.toMatchObject(refused)
      await expect(store.loadEpoch('default')).rejects.toMatchObject(refused)
      await expect(
        store.insertKey({ key: someKey({ purpose: 'index' }), demote: null }),
      ).rejects.toMatchObject(refused)
      expect(readFileSync(path, 'utf8')).toBe(before)
      expect(readdirSync(directory)).toEqual(['keys.json'])
    },
  )

  it('follows a path relative to where the store was made', async () => {
    const cwd = process.cwd()
    process.chdir(directory)
    const store = fileKeyStore('keys.json')
    process.chdir(cwd)
    await store.insertKey({ key: someKey(), demote: null })
    expect(existsSync(path)).toBe(true)
  })

  it.each<[string, string, unknown]>([
    ['another version', 'version', 2],
    ['another format', 'format', 'something'],
    ['no version', 'version', undefined],
    ['no keys', 'keys', undefined],
    ['keys that are no list', 'keys', {}],
    ['a key that is null', 'keys.0', null],
    ['a key id that is not hex', 'keys.0.id', 'XYZ'],
    ['an unknown purpose', 'keys.0.purpose', 'both'],
    ['an unknown state', 'keys.0.state', 'idle'],
    ['version 0', 'keys.0.version', 0],
    ['a version as text', 'keys.0.version', '1'],
    ['half a check value', 'keys.0.kcv', 'aabb'],
    ['odd hex digits', 'keys.0.kcv', 'a'.repeat(63)],
    ['a time that is none', 'keys.0.createdAt', 'yesterday'],
    ['a wrap of 0 bytes', 'keys.0.wraps.0.wrapped', ''],
    ['a wrap of 1025 bytes', 'keys.0.wraps.0.wrapped', '00'.repeat(1025)],
    ['nine wraps', 'keys.0.wraps', Array(9).fill({})],
    ['a URI with a line feed', 'keys.0.wraps.0.providerUri', 'in-app:a\nb'],
    ['an epoch of -1', 'epochs.0.epoch', -1],
    ['an epoch without domain', 'epochs.0.domain', null],
    ['index bits of 7', 'indexes.0.bits', 7],
    ['generation 256', 'indexes.0.generation', 256],
    ['an unknown index kind', 'indexes.0.kind', 'table'],
  ])('is refused with %s', async (_what, member, value) => {
    await filled()
    setMember(member, value)
    for (const use of [
      () => fileKeyStore(path).loadKeys('default'),
      () => fileKeyStore(path).insertKey({ key: someKey(), demote: null }),
    ]) {
      await expect(use()).rejects.toMatchObject({
        code: 'ERR_KEY_STORE',
        message: expect.stringMatching(/malformed/),
      })
    }
  })

  it('is refused where it is not JSON, without quoting it', async () => {
    writeFileSync(path, '{"keys": secret-looking', { mode: 0o600 })
    const error = await fileKeyStore(path)
      .loadKeys('default')
      .catch((e) => e)
    expect(error).toMatchObject({ code: 'ERR_KEY_STORE' })
    expect(error.message).not.toContain('secret-looking')
    expect(error.cause).toBeUndefined()
  })

  it('needs a directory', async () => {
    const store = fileKeyStore(join(directory, 'missing', 'keys.json'))
    expect(await store.loadEpoch('default')).toBe(0)
    await expect(store.insertKey({ key: someKey(), demote: null })).rejects.toMatchObject({
      code: 'ERR_KEY_STORE',
      message: expect.stringContaining('ENOENT'),
    })
  })

  it('is not a directory', async () => {
    await expect(fileKeyStore(directory).loadEpoch('default')).rejects.toMatchObject({
      code: 'ERR_KEY_STORE',
    })
  })

  it('replaces what a crash left half-written', async () => {
    await filled()
    writeFileSync(`${path}.tmp`, 'half', { mode: 0o666 })
    chmodSync(`${path}.tmp`, 0o666)
    await fileKeyStore(path).insertKey({ key: someKey({ purpose: 'index' }), demote: null })
    expect(readdirSync(directory)).toEqual(['keys.json'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect((await fileKeyStore(path).loadKeys('default')).keys).toHaveLength(2)
  })

  it('does not write through a link planted at the temporary name', async () => {
    await filled()
    const victim = join(directory, 'victim')
    writeFileSync(victim, 'precious')
    symlinkSync(victim, `${path}.tmp`)
    await fileKeyStore(path).insertKey({ key: someKey({ purpose: 'index' }), demote: null })
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })
})

describe('subject keys in the file', () => {
  const page = { notUnder: null, after: null, limit: 10 }

  async function shredded(): Promise<SubjectKeyRecord> {
    const store = fileKeyStore(path)
    const key = someSubjectKey()
    await store.insertSubjectKeys([key])
    await store.destroySubjectKeys([someTombstone({ id: key.id })])
    return key
  }

  it('may be absent, as in a file of an earlier release', async () => {
    await filled()
    setMember('subjectKeys', undefined)
    setMember('tombstones', undefined)
    setMember('history', undefined)
    const store = fileKeyStore(path)
    expect(await store.pageSubjectKeys('default', page)).toEqual([])
    expect(await store.loadTombstones('default')).toEqual([])
    expect(await store.loadHistory('default', { after: 0, limit: 9 })).toEqual([])
    await store.insertSubjectKeys([someSubjectKey()])
    expect(await store.pageSubjectKeys('default', page)).toHaveLength(1)
    expect((await store.loadKeys('default')).keys).toHaveLength(1)
  })

  it('stay gone where somebody puts them back, and make room', async () => {
    const key = await shredded()
    setMember('subjectKeys', [subjectKeyToJson(key)])
    const store = fileKeyStore(path)
    const wanted = { refs: [key.subjectRef], ids: [key.id] }
    expect((await store.loadSubjectKeys('default', wanted)).keys).toEqual([])
    expect(await store.pageSubjectKeys('default', page)).toEqual([])
    expect(await store.countSubjectKeys('default')).toEqual([])
    const next = someSubjectKey({ subjectRef: key.subjectRef })
    await store.insertSubjectKeys([next, next])
    expect((await store.loadSubjectKeys('default', wanted)).keys).toEqual([next])
  })

  it.each<[string, unknown]>([
    ['subjectKeys.0.id', 'XYZ'],
    ['subjectKeys.0.domain', ''],
    ['subjectKeys.0.subjectRef', 'aa'.repeat(16)],
    ['subjectKeys.0.subjectRef', 'aa'.repeat(18)],
    ['subjectKeys.0.wrapped', 'aa'.repeat(39)],
    ['subjectKeys.0.wrapped', 'aa'.repeat(41)],
    ['subjectKeys.0.kekId', ''],
    ['subjectKeys.0.createdAt', 'yesterday'],
    ['subjectKeys', {}],
    ['tombstones.0.id', null],
    ['tombstones.0.destroyedAt', 0],
    ['tombstones.0.actor', undefined],
    ['tombstones.0.reason', null],
    ['tombstones', 'none'],
    ['history.0.sequence', 0],
    ['history.0.id', ''],
    ['history.0.record', null],
    ['history.0.checksum', 7],
    ['history.0.domain', ''],
    ['history', {}],
  ])('are refused with a wrong %s', async (member, value) => {
    await shredded()
    const store = fileKeyStore(path)
    await store.insertSubjectKeys([someSubjectKey()])
    await store.appendHistory('default', { id: 'a', record: 'r' })
    setMember(member, value)
    await expect(store.loadTombstones('default')).rejects.toMatchObject({
      code: 'ERR_KEY_STORE',
      message: expect.stringContaining(`malformed '${member.split('.').pop()}'`),
    })
  })
})

describe('the lock', () => {
  const lock = (owner: object | string, file = path): void =>
    writeFileSync(`${file}.lock`, typeof owner === 'string' ? owner : JSON.stringify(owner))
  const host = (): string => `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`

  /** The id of a process that has ended. */
  async function endedPid(): Promise<number> {
    const child = fork('-e', ['0'], { execArgv: [], stdio: 'ignore' })
    await new Promise((resolve) => child.once('exit', resolve))
    return child.pid ?? 0
  }

  it.skipIf(process.platform !== 'linux')(
    'of a process that has ended is removed, once, by many writers',
    async () => {
      lock({ host: host(), pid: await endedPid(), token: 'abandoned' })
      const results = await Promise.all(
        Array.from({ length: 6 }, () =>
          fileKeyStore(path).insertKey({ key: someKey(), demote: null }),
        ),
      )
      expect(results.filter(Boolean)).toHaveLength(1)
      expect(readdirSync(directory)).toEqual(['keys.json'])
    },
  )

  it('that cannot be judged is respected for 10 s, then named', async () => {
    const cases: [owner: object | string, named: RegExp][] = [
      [{ host: host(), pid: process.ppid, token: 't' }, /process \d+ on/],
      [{ host: 'elsewhere', pid: 1, token: 't' }, /process 1 on elsewhere/],
      [{ host: host(), pid: -1, token: 't' }, /an unknown process/],
      ['', /an unknown process/],
    ]
    await Promise.all(
      cases.map(async ([owner, named], index) => {
        const file = join(directory, `locked-${index}.json`)
        lock(owner, file)
        const before = readFileSync(`${file}.lock`, 'utf8')
        const store = fileKeyStore(file)
        const started = performance.now()
        await expect(store.insertKey({ key: someKey(), demote: null })).rejects.toMatchObject({
          code: 'ERR_KEY_STORE',
          retryable: true,
          message: expect.stringMatching(named),
        })
        expect(performance.now() - started).toBeGreaterThan(9_000)
        expect(readFileSync(`${file}.lock`, 'utf8')).toBe(before)
        expect(await store.loadEpoch('default')).toBe(0)
      }),
    )
  })

  it('is not left behind where the disk has no room for it', async () => {
    await filled()
    const handle = await open(path)
    const { writeFile } = Object.getPrototypeOf(handle)
    await handle.close()
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    Object.getPrototypeOf(handle).writeFile = () => Promise.reject(full)
    try {
      await expect(filled()).rejects.toMatchObject({ code: 'ERR_KEY_STORE', cause: full })
    } finally {
      Object.getPrototypeOf(handle).writeFile = writeFile
    }
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  it('is released after a failed write', async () => {
    await filled()
    chmodSync(path, 0o644)
    await expect(
      fileKeyStore(path).insertKey({ key: someKey(), demote: null }),
    ).rejects.toMatchObject({ code: 'ERR_KEY_STORE' })
    chmodSync(path, 0o600)
    await fileKeyStore(path).insertKey({ key: someKey({ purpose: 'index' }), demote: null })
    expect(readdirSync(directory)).toEqual(['keys.json'])
  })
})
