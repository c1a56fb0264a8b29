// Sets up SoftHSM, a PKCS#11 token in software, for development and tests: a token with a
// non-extractable AES-256 key, and a PIN in a file. Doing it again changes nothing.
//
// Usage: node scripts/hsm-setup.mjs [--folder DIR] [--token LABEL] [--key LABEL] [options]
//        folder: .cache/softhsm    token: mortise-dev    key: mortise-root
//        --json prints the result for programs
//        --no-install fails where SoftHSM is not there already, --unpack unpacks it even as root
//
// The module is PKCS11_MODULE, or one of the usual paths. Where there is none, SoftHSM comes from
// Debian: as root by apt-get install, otherwise its packages are unpacked into the folder.
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const ROOT = resolve(import.meta.dirname, '..')
const HOME = join(ROOT, '.cache', 'softhsm')
const UNPACKED = 'debian'
const MODULES = [
  join(HOME, UNPACKED, 'usr/lib/softhsm/libsofthsm2.so'),
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]
const PACKAGES = ['libsofthsm2', 'softhsm2', 'softhsm2-common']

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', default: HOME },
    token: { type: 'string', default: 'mortise-dev' },
    key: { type: 'string', default: 'mortise-root' },
    json: { type: 'boolean', default: false },
    'no-install': { type: 'boolean', default: false },
    unpack: { type: 'boolean', default: false },
  },
})

try {
  setUp()
} catch (error) {
  console.error(`hsm-setup: ${error.message}`)
  process.exit(1)
}

function setUp() {
  const folder = resolve(options.folder)
  mkdirSync(join(folder, 'tokens'), { recursive: true, mode: 0o700 })
  const module = findModule(folder)
  const conf = writeConfiguration(folder)
  const pinFile = writePin(join(folder, 'pin'))
  // The module reads it when it is initialised.
  process.env.SOFTHSM2_CONF = conf
  makeToken(module, readFileSync(pinFile, 'utf8').trim())
  report({ module, conf, pinFile, uri: uriOf(module, pinFile) })
}

function findModule(folder) {
  const given = process.env.PKCS11_MODULE
  if (given !== undefined) {
    if (existsSync(given)) return given
    throw new Error('PKCS11_MODULE names a file that does not exist')
  }
  const installed = () => MODULES.find((path) => existsSync(path))
  const found = options.unpack ? undefined : installed()
  if (found !== undefined) return found
  if (options['no-install']) throw new Error('SoftHSM is not here; run: npm run hsm:setup')
  const install = process.getuid?.() === 0 && !options.unpack
  if (install) apt(ROOT, 'install', '-y', '-qq', '--no-install-recommends', 'softhsm2')
  const module = install ? installed() : unpack(join(folder, UNPACKED))
  if (module !== undefined) return module
  throw new Error(
    'no SoftHSM here and none from Debian: install it (macOS: brew install softhsm) and set PKCS11_MODULE to libsofthsm2.so',
  )
}

/** Needs no rights: the packages are downloaded and taken apart, not installed. */
function unpack(folder) {
  mkdirSync(folder, { recursive: true })
  const library = () =>
    readdirSync(folder, { recursive: true }).find((name) => name.endsWith('/libsofthsm2.so'))
  const unpacked = () => library() && join(folder, library())
  if (unpacked() !== undefined) return unpacked()
  apt(folder, 'download', ...PACKAGES)
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
    execFileSync('dpkg', ['-x', join(folder, file), folder], { stdio: ['ignore', 2, 2] })
  }
  return unpacked()
}

function apt(cwd, ...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const run = (list) => execFileSync('apt-get', list, { cwd, env, stdio: ['ignore', 2, 2] })
  try {
    run(args)
  } catch {
    // Package lists may be missing or old; only root can renew them.
    if (process.getuid?.() === 0) run(['update', '-qq'])
    run(args)
  }
}

function writeConfiguration(folder) {
  const path = join(folder, 'softhsm2.conf')
  const lines = [
    `directories.tokendir = ${join(folder, 'tokens')}`,
    'objectstore.backend = file',
    'log.level = ERROR',
    'slots.removable = false',
  ]
  if (!existsSync(path)) writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

function writePin(path) {
  if (!existsSync(path)) writeFileSync(path, `${randomPin()}\n`, { mode: 0o600 })
  return path
}

function randomPin() {
  return Array.from({ length: 12 }, () => randomInt(10)).join('')
}

/** The token and its key, where they do not exist yet. */
function makeToken(module, pin) {
  const ck = createRequire(import.meta.url)('pkcs11js')
  const library = new ck.PKCS11()
  library.load(module)
  library.C_Initialize()
  try {
    // A real HSM is set up by its own ceremony, never by this script.
    if (
      !/softhsm/i.test(library.C_GetInfo().libraryDescription + library.C_GetInfo().manufacturerID)
    ) {
      throw new Error('PKCS11_MODULE is not SoftHSM: set up other tokens with their own tools')
    }
    const slot = findSlot(library, options.token) ?? initializeToken(ck, library, pin)
    const session = library.C_OpenSession(slot, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION)
    library.C_Login(session, ck.CKU_USER, pin)
    if (!hasKey(ck, library, session)) generateKey(ck, library, session)
  } finally {
    library.C_Finalize()
  }
}

function findSlot(library, label) {
  return library
    .C_GetSlotList(true)
    .find((slot) => library.C_GetTokenInfo(slot).label.trimEnd() === label)
}

function initializeToken(ck, library, pin) {
  const free = library
    .C_GetSlotList(true)
    .find((slot) => (library.C_GetTokenInfo(slot).flags & ck.CKF_TOKEN_INITIALIZED) === 0)
  if (free === undefined) throw new Error('the module has no free slot for a new token')
  const soPin = randomPin()
  // 32 bytes padded with blanks: the length is not passed on.
  library.C_InitToken(free, soPin, paddedLabel(options.token))
  const slot = findSlot(library, options.token)
  const session = library.C_OpenSession(slot, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION)
  library.C_Login(session, ck.CKU_SO, soPin)
  library.C_InitPIN(session, pin)
  library.C_Logout(session)
  library.C_CloseSession(session)
  return slot
}

function paddedLabel(label) {
  const missing = 32 - Buffer.byteLength(label)
  if (missing < 0 || label === '') throw new Error('a token label has 1 to 32 bytes')
  return label + ' '.repeat(missing)
}

function hasKey(ck, library, session) {
  library.C_FindObjectsInit(session, [
    { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
    { type: ck.CKA_LABEL, value: options.key },
  ])
  try {
    return library.C_FindObjects(session, 1).length > 0
  } finally {
    library.C_FindObjectsFinal(session)
  }
}

/** For key wrap only: a key that has one use cannot be abused in another. */
function generateKey(ck, library, session) {
  library.C_GenerateKey(session, { mechanism: ck.CKM_AES_KEY_GEN }, [
    { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
    { type: ck.CKA_KEY_TYPE, value: ck.CKK_AES },
    { type: ck.CKA_VALUE_LEN, value: 32 },
    { type: ck.CKA_LABEL, value: options.key },
    { type: ck.CKA_ID, value: Buffer.of(1) },
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_PRIVATE, value: true },
    { type: ck.CKA_SENSITIVE, value: true },
    { type: ck.CKA_EXTRACTABLE, value: false },
    { type: ck.CKA_WRAP, value: true },
    { type: ck.CKA_UNWRAP, value: true },
    { type: ck.CKA_ENCRYPT, value: false },
    { type: ck.CKA_DECRYPT, value: false },
  ])
}

function uriOf(module, pinFile) {
  const { token, key } = options
  const name = `token=${encodeURIComponent(token)};object=${encodeURIComponent(key)}`
  const path = (file) => file.split('/').map(encodeURIComponent).join('/')
  return `pkcs11:${name};type=secret-key?module-path=${path(module)}&pin-source=file:${path(pinFile)}`
}

function report(result) {
  if (options.json) {
    console.log(JSON.stringify(result))
    return
  }
  console.log(`export SOFTHSM2_CONF='${result.conf}'`)
  console.log(`export MORTISE_KEY_PROVIDERS='${result.uri}'`)
}
