import { getFips } from 'node:crypto'
import { join } from 'node:path'

/** Of the addon, see native/addon.c: an addon of another release is not used. */
const INTERFACE_VERSION = 1

/** What the addon does with one page; the numbers are those of native/page.h. */
export const OPERATIONS = { open: 0, seal: 1, rewrap: 2, token: 3 } as const

/** Status bytes of single values, as in native/page.h: a value that did not open is `failed`. */
export const STATUS = { failed: 0, done: 1, doneAscii: 2 } as const

/** One of {@link OPERATIONS}. */
export type Operation = (typeof OPERATIONS)[keyof typeof OPERATIONS]

/** A page, flat; see `NativePage`. The addon copies all of it before it returns. */
export type PageArguments = readonly [
  operation: Operation,
  keys: Uint8Array,
  info: Uint8Array,
  fields: Uint8Array,
  index: Uint32Array,
  input: Uint8Array,
]

/**
 * The addon of native/: OpenSSL as this Node exports it, a page at a time.
 *
 * Both throw a RangeError or TypeError for a malformed page, and an Error where OpenSSL fails.
 */
export interface NativeAddon {
  readonly version: number
  run(...page: PageArguments): Buffer
  /** The same on a thread of libuv's pool. */
  runAsync(...page: PageArguments): Promise<Buffer>
}

/** Whether this process seals and opens pages of values by the addon; the bytes are the same. */
export interface NativeStatus {
  readonly active: boolean
  /**
   * Why it does not: `MORTISE_NATIVE=0`, no addon for this platform, or one that this Node cannot load
   * or that is of another release. `null` where it does.
   */
  readonly reason: 'switched off' | 'not built' | 'not usable' | null
}

interface Loaded {
  readonly addon: NativeAddon | null
  readonly status: NativeStatus
}

let loaded: Loaded | undefined

/**
 * The native path, or null where pages are worked on in JavaScript, which gives the same bytes.
 *
 * Loaded with the first call, about a millisecond; `MORTISE_NATIVE=0` switches it off.
 */
export function nativeAddon(): NativeAddon | null {
  return current().addon
}

/** Whether the native path is used by this process. */
export function nativeStatus(): NativeStatus {
  return current().status
}

function current(): Loaded {
  loaded ??= load()
  return loaded
}

function load(): Loaded {
  if (process.env.MORTISE_NATIVE === '0') return inactive('switched off')
  // Its key wrap is OpenSSL's, but not of the module that is validated.
  if (getFips() !== 0) return inactive('not usable')
  try {
    const addon = require(addonFile()) as NativeAddon
    if (addon.version !== INTERFACE_VERSION) return inactive('not usable')
    return { addon, status: { active: true, reason: null } }
  } catch (error) {
    // An addon of another platform or C library, or for an OpenSSL that this Node does not export.
    const missing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND'
    return inactive(missing ? 'not built' : 'not usable')
  }
}

/** Where native/build.mjs puts it; the same from src/ and from dist/. */
function addonFile(): string {
  const platform = `${process.platform}-${process.arch}`
  return join(__dirname, '..', '..', 'prebuilds', platform, 'mortise.node')
}

function inactive(reason: NativeStatus['reason']): Loaded {
  return { addon: null, status: { active: false, reason } }
}
