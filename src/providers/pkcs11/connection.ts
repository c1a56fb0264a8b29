import { ckrName, failed, failureOf, providerFailure } from './failure'
import type { Handle, Pkcs11Library, Pkcs11Module } from './module'
import { findRootKey, type RootKey } from './root-key'
import { SessionPool } from './session-pool'
import { formatPkcs11Uri, type Pkcs11KeyName } from './uri'

/** A token that is logged in to, with its key found. Worth nothing after a loss or another epoch. */
export interface Connection {
  readonly epoch: number
  readonly rootKey: RootKey
  readonly sessions: SessionPool
}

/** Enough to keep an HSM busy from one process; clusters often allow a few dozen in all. */
const MAX_SESSIONS = 4
/** CK_SESSION_INFO.state of a normal user, in a read-only and a read-write session. */
const USER_STATES = [1, 3]
/** What a slot answers whose token was taken out, or is of another maker. */
const UNREADABLE = ['CKR_TOKEN_NOT_PRESENT', 'CKR_TOKEN_NOT_RECOGNIZED', 'CKR_DEVICE_REMOVED']

/**
 * Opens a session, logs in where no other session of this process has, and finds the key. Nothing is
 * awaited in between, so two providers of one token never log in twice.
 *
 * @param pin - undefined to find out whether one is needed
 * @returns `null` where a PIN is needed and none was given
 * @throws ERR_KEY_PROVIDER, `access`, where the token refuses the login: not to be tried again
 */
export function openConnection(
  module: Pkcs11Module,
  name: Pkcs11KeyName,
  pin: string | undefined,
): Connection | null {
  const { epoch } = module
  const uri = formatPkcs11Uri(name)
  const slot = findToken(module, name.token, uri)
  const actions = {
    open: () => openSession(module, slot),
    close: (session: Handle) => closeSession(module, session, epoch),
    isLost: (error: unknown) => failureOf(error, 'connect') === 'session',
  }
  const first = actions.open()
  try {
    if (!isLoggedIn(module, first)) {
      if (pin === undefined) {
        actions.close(first)
        return null
      }
      logIn(module, first, pin, uri)
    }
    const rootKey = findRootKey(module, slot, first, name, uri)
    return { epoch, rootKey, sessions: new SessionPool(first, MAX_SESSIONS, actions) }
  } catch (error) {
    actions.close(first)
    throw error
  }
}

/** By label: slot numbers change when tokens are initialised, and empty slots are listed as well. */
function findToken({ library }: Pkcs11Module, label: string, uri: string): Handle {
  const slots = library.C_GetSlotList(true)
  const matches = slots.filter((slot) => tokenLabel(library, slot) === label.trimEnd())
  const [slot] = matches
  if (slot !== undefined && matches.length === 1) return slot
  if (slot !== undefined) {
    throw failed(uri, 'state', 'the module has several tokens of this label; rename one')
  }
  const problem = 'the module has no such token now; check the label, and that it is connected'
  throw failed(uri, 'session', problem)
}

/** Undefined for a token that cannot be read: it is not ours, or ours is not there now. */
function tokenLabel(library: Pkcs11Library, slot: Handle): string | undefined {
  try {
    return library.C_GetTokenInfo(slot).label.trimEnd()
  } catch (error) {
    if (!UNREADABLE.includes(ckrName(error) ?? '')) throw error
    return undefined
  }
}

/**
 * Read-write, although nothing is written: some modules (AWS CloudHSM, client SDK 5) have no other
 * sessions. A token that is write-protected has only read-only ones.
 */
function openSession({ library, ck }: Pkcs11Module, slot: Handle): Handle {
  const isProtected = (library.C_GetTokenInfo(slot).flags & ck.CKF_WRITE_PROTECTED) !== 0
  return library.C_OpenSession(
    slot,
    isProtected ? ck.CKF_SERIAL_SESSION : ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION,
  )
}

/**
 * Never C_Logout: it would log out every other user of the token in this process. With the last
 * session the login ends by itself.
 */
function closeSession(module: Pkcs11Module, session: Handle, epoch: number): void {
  if (module.epoch !== epoch) return
  try {
    module.library.C_CloseSession(session)
  } catch {
    // Already closed.
  }
}

function isLoggedIn({ library }: Pkcs11Module, session: Handle): boolean {
  return USER_STATES.includes(library.C_GetSessionInfo(session).state)
}

function logIn({ library, ck }: Pkcs11Module, session: Handle, pin: string, uri: string): void {
  try {
    library.C_Login(session, ck.CKU_USER, pin)
  } catch (error) {
    // Another thread of this process was first.
    if (ckrName(error) !== 'CKR_USER_ALREADY_LOGGED_IN') throw providerFailure(error, uri, 'login')
  }
}
