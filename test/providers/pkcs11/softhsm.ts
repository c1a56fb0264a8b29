import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Handle, Pkcs11Library, Pkcs11Package } from '../../../src/providers/pkcs11/module'

const SCRIPT = resolve(__dirname, '../../../scripts/hsm-setup.mjs')

/** A SoftHSM token in a folder of its own, with one root key. */
export interface SoftHsm {
  readonly folder: string
  readonly module: string
  readonly token: string
  readonly key: string
  readonly pin: string
  readonly uri: string
}

/** What the setup script prints with `--json`. */
interface SetUp {
  readonly module: string
  readonly conf: string
  readonly pinFile: string
  readonly uri: string
}

/**
 * Sets up a token with the script that developers use, and points this process at it. One per test
 * file: the module reads its configuration when it is initialised, once per process.
 *
 * @returns `null` where SoftHSM is not installed
 * @throws where it is not installed and MORTISE_REQUIRE_HSM=1
 */
export function setUpSoftHsm(): SoftHsm | null {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-softhsm-'))
  const args = [SCRIPT, '--json', '--no-install', '--folder', folder]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    if (process.env.MORTISE_REQUIRE_HSM === '1' || !stderr.includes('npm run hsm:setup')) {
      throw new Error(stderr)
    }
    return null
  }
  const { module, conf, pinFile, uri } = JSON.parse(stdout) as SetUp
  process.env.SOFTHSM2_CONF = conf
  const pin = readFileSync(pinFile, 'utf8').trim()
  return { folder, module, token: 'mortise-dev', key: 'mortise-root', pin, uri }
}

/** Shown as the name of the skipped tests. */
export const SKIPPED = 'SoftHSM is not installed: run npm run hsm:setup'

/** Replaces what was configured beyond the set-up; read at the next C_Initialize. */
export function configure(hsm: SoftHsm, setting: string): void {
  const path = join(hsm.folder, 'softhsm2.conf')
  const own = readFileSync(path, 'utf8').split('\n# test\n')[0]
  writeFileSync(path, `${own}\n# test\n${setting}\n`)
}

export const ck = createRequire(__filename)('pkcs11js') as Pkcs11Package

/** An administrator's hands on the token, in this process, beside the provider under test. */
export interface Admin {
  readonly library: Pkcs11Library
  readonly slot: Handle
  readonly session: Handle
  createKey(label: string, attributes?: Attributes): void
  deleteKey(label: string): void
}

/** Attributes by number; they replace those of an ordinary root key. */
export type Attributes = Record<number, number | boolean | Buffer | undefined>

/**
 * Runs `work` on the token. Where no provider uses the module, it is initialised and finalised around
 * it, so that the provider finds it untouched.
 */
export function administrate<T>(hsm: SoftHsm, work: (admin: Admin) => T): T {
  const library = new ck.PKCS11()
  library.load(hsm.module)
  const owned = tolerate('CKR_CRYPTOKI_ALREADY_INITIALIZED', () => library.C_Initialize())
  try {
    const slot = library
      .C_GetSlotList(true)
      .find((candidate) => library.C_GetTokenInfo(candidate).label.trimEnd() === hsm.token)
    if (slot === undefined) throw new Error('the token is gone')
    const session = library.C_OpenSession(slot, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION)
    tolerate('CKR_USER_ALREADY_LOGGED_IN', () => library.C_Login(session, ck.CKU_USER, hsm.pin))
    const result = work({
      library,
      slot,
      session,
      createKey: (label, attributes = {}) => createKey(library, session, label, attributes),
      deleteKey: (label) => {
        for (const key of findKeys(library, session, label)) library.C_DestroyObject(session, key)
      },
    })
    tolerate('CKR_SESSION_HANDLE_INVALID', () => library.C_CloseSession(session))
    return result
  } finally {
    if (owned) library.C_Finalize()
  }
}

/** Whether `call` returned; false where it threw the tolerated error. */
function tolerate(name: string, call: () => void): boolean {
  try {
    call()
    return true
  } catch (error) {
    if ((error as Error).message !== name) throw error
    return false
  }
}

function createKey(
  library: Pkcs11Library,
  session: Handle,
  label: string,
  attributes: Attributes,
): void {
  const all: Attributes = {
    [ck.CKA_CLASS]: ck.CKO_SECRET_KEY,
    [ck.CKA_KEY_TYPE]: ck.CKK_AES,
    [ck.CKA_LABEL]: Buffer.from(label),
    [ck.CKA_TOKEN]: true,
    [ck.CKA_PRIVATE]: true,
    [ck.CKA_SENSITIVE]: true,
    [ck.CKA_EXTRACTABLE]: false,
    [ck.CKA_WRAP]: true,
    [ck.CKA_UNWRAP]: true,
    [ck.CKA_ENCRYPT]: true,
    [ck.CKA_DECRYPT]: true,
    [ck.CKA_VALUE]: Buffer.alloc(32, 0x5a),
    ...attributes,
  }
  const template = Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([type, value]) => ({ type: Number(type), value: value as Buffer }))
  library.C_CreateObject(session, template)
}

function findKeys(library: Pkcs11Library, session: Handle, label: string): Handle[] {
  library.C_FindObjectsInit(session, [{ type: ck.CKA_LABEL, value: label }])
  try {
    return library.C_FindObjects(session, 10)
  } finally {
    library.C_FindObjectsFinal(session)
  }
}
