import { realpathSync } from 'node:fs'
import { MortiseError } from '../../errors'
import { ckrName } from './failure'

/** pkcs11js, as far as its types go; the package is loaded when the first token is used. */
export type Pkcs11Package = typeof import('pkcs11js')
/** A loaded PKCS#11 library. */
export type Pkcs11Library = InstanceType<Pkcs11Package['PKCS11']>
/** A session, slot or object: the bytes of a C integer. */
export type Handle = Buffer

/**
 * One PKCS#11 library of this process, shared by all providers that name it: C_Initialize may be
 * called once per process, and handles are worth nothing after C_Finalize.
 */
export interface Pkcs11Module {
  readonly library: Pkcs11Library
  readonly ck: Pkcs11Package
  /** Counts initialisations. Handles of an earlier one must not be used: numbers are given again. */
  readonly epoch: number
  /** Initialises the library where it is not, or no longer. */
  initialize(): void
  /**
   * Finalises and initialises the library: some forget a token that was away until this is done.
   *
   * @returns false, and does nothing, where someone else initialised it or a call is under way: the
   * standard leaves undefined what would become of that call
   */
  reinitialize(): boolean
  /** Runs a call that `reinitialize` must not cut off. */
  guard<T>(call: () => Promise<T>): Promise<T>
  /** Finalises the library with its last user, unless someone else initialised it. */
  release(): void
}

const modules = new Map<string, SharedModule>()

/**
 * The module of a library path. The caller must release it once.
 *
 * @throws ERR_CONFIG where pkcs11js is not installed or the library cannot be loaded
 */
export function acquireModule(path: string): Pkcs11Module {
  const key = canonicalPath(path)
  const module = modules.get(key) ?? loadModule(path)
  modules.set(key, module)
  module.users += 1
  return module
}

class SharedModule implements Pkcs11Module {
  readonly library: Pkcs11Library
  readonly ck: Pkcs11Package
  epoch = 0
  users = 0
  #calls = 0
  #owned = false

  constructor(library: Pkcs11Library, ck: Pkcs11Package) {
    this.library = library
    this.ck = ck
  }

  initialize(): void {
    if (this.epoch > 0 && this.#isInitialized()) return
    try {
      // Calls run on several threads of Node's pool.
      this.library.C_Initialize({ flags: this.ck.CKF_OS_LOCKING_OK })
      this.#owned = true
    } catch (error) {
      if (ckrName(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
      this.#owned = false
    }
    this.epoch += 1
  }

  reinitialize(): boolean {
    if (!this.#owned || this.#calls > 0) return false
    this.#finalize()
    this.initialize()
    return true
  }

  async guard<T>(call: () => Promise<T>): Promise<T> {
    this.#calls += 1
    try {
      return await call()
    } finally {
      this.#calls -= 1
    }
  }

  /** The library stays loaded: some cannot be loaded again after their exit handlers ran. */
  release(): void {
    this.users -= 1
    if (this.users === 0 && this.#owned) this.#finalize()
  }

  #finalize(): void {
    this.#owned = false
    try {
      this.library.C_Finalize()
    } catch {
      // Finalised by someone else: nothing is left to give back.
    }
  }

  #isInitialized(): boolean {
    try {
      this.library.C_GetInfo()
      return true
    } catch (error) {
      return ckrName(error) !== 'CKR_CRYPTOKI_NOT_INITIALIZED'
    }
  }
}

function loadModule(path: string): SharedModule {
  const ck = loadPackage()
  const library = new ck.PKCS11()
  try {
    library.load(path)
  } catch (error) {
    const message = `the PKCS#11 module ${path} cannot be loaded; check the option module (or module-path)`
    throw new MortiseError('ERR_CONFIG', message, { cause: error })
  }
  return new SharedModule(library, ck)
}

function loadPackage(): Pkcs11Package {
  try {
    return require('pkcs11js') as Pkcs11Package
  } catch (error) {
    throw new MortiseError(
      'ERR_CONFIG',
      'a PKCS#11 key provider needs the package pkcs11js: npm install pkcs11js',
      { cause: error },
    )
  }
}

/** One library under two names is one library; a bare name is left to the system's loader. */
function canonicalPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
