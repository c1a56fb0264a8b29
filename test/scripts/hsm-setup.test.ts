import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parsePkcs11Uri } from '../../src/providers/pkcs11/uri'

const SCRIPT = resolve(__dirname, '../../scripts/hsm-setup.mjs')
const folder = mkdtempSync(join(tmpdir(), 'mortise-hsm-setup-'))

function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  const all = [SCRIPT, '--folder', join(folder, 'hsm'), ...args]
  const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const
  return spawnSync(process.execPath, all, options)
}

const hasSoftHsm = run(['--no-install']).status === 0
const required = process.env.MORTISE_REQUIRE_HSM === '1'

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!hasSoftHsm && !required)('npm run hsm:setup', () => {
  it('makes a token, a key and a PIN that only the owner may read', () => {
    const { status, stdout } = run(['--json', '--no-install'])
    expect(status).toBe(0)
    const { uri, pinFile } = JSON.parse(stdout)
    expect(parsePkcs11Uri(uri)).toMatchObject({
      token: 'mortise-dev',
      key: 'mortise-root',
      pinFile,
    })
    expect(statSync(pinFile).mode & 0o077).toBe(0)
  })

  it('changes nothing when it is run again, and adds only what is missing', () => {
    const before = readFileSync(join(folder, 'hsm', 'pin'))
    expect(run(['--no-install']).status).toBe(0)
    expect(run(['--no-install', '--key', 'another key']).status).toBe(0)
    expect(readFileSync(join(folder, 'hsm', 'pin'))).toEqual(before)
  })

  it('prints lines for a shell, without the PIN', () => {
    const { stdout, stderr } = run(['--no-install'])
    const pin = readFileSync(join(folder, 'hsm', 'pin'), 'utf8').trim()
    expect(stdout + stderr).not.toContain(pin)
    const shown = `${stdout}printf '%s' "$MORTISE_KEY_PROVIDERS"`
    const uri = execFileSync('sh', ['-c', shown], { encoding: 'utf8' })
    expect(parsePkcs11Uri(uri).token).toBe('mortise-dev')
  })

  it('refuses a module that is not there, or not a module', () => {
    const missing = run([], { PKCS11_MODULE: join(folder, 'none.so') })
    expect(missing.status).toBe(1)
    expect(missing.stderr).toContain('does not exist')
    writeFileSync(join(folder, 'text.so'), 'text')
    expect(run([], { PKCS11_MODULE: join(folder, 'text.so') }).status).toBe(1)
  })
})

describe('npm run hsm:setup without rights', () => {
  const debian = spawnSync('apt-get', ['--version']).status === 0
  const slow = process.env.SLOW === '1' || required
  let result: ReturnType<typeof run>

  beforeAll(() => {
    if (debian && slow) result = run(['--json', '--unpack'])
  })

  it.skipIf(!debian || !slow)('unpacks the packages of Debian (SLOW=1: needs the network)', () => {
    expect(result.stderr).not.toContain('hsm-setup:')
    expect(JSON.parse(result.stdout).module).toContain(join(folder, 'hsm', 'debian'))
    expect(run(['--json', '--unpack']).stderr).toBe('')
  })
})
