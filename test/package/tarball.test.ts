import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, inject, it } from 'vitest'
import { run } from './command'
import { manifest } from './entry-points'

const root = resolve(__dirname, '../..')
const tarball = inject('tarball')
const files = tarball.files.map(({ path }) => path)

const ADDON = `prebuilds/${process.platform}-${process.arch}/mortise.node`
const built = existsSync(resolve(root, ADDON)) || process.env.MORTISE_REQUIRE_NATIVE === '1'

/** About twice of what is there: a bundled dependency or a forgotten fixture goes over it. */
const MAX_PACKED_BYTES = 800_000

describe('the tarball', () => {
  it('holds compiled code, documentation, the native path and nothing else', () => {
    const expected = [
      /^dist\/[a-z0-9/-]+\.(js|mjs|d\.ts|d\.mts)$/,
      /^docs\/[a-z0-9/-]+\.md$/,
      /^native\/([a-z]+\.[ch]|binding\.gyp|build\.mjs)$/,
      /^prebuilds\/[a-z0-9-]+\/(mortise\.node|sources\.sha256)$/,
      /^((README|CHANGELOG|SECURITY)\.md|LICENSE|package\.json)$/,
    ]
    expect(files.filter((path) => !expected.some((kind) => kind.test(path)))).toEqual([])
  })

  it.runIf(built)('holds the addon of this platform (skipped where it is not built)', () => {
    const sources = readdirSync(resolve(root, 'native')).map((name) => `native/${name}`)
    expect(files).toEqual(expect.arrayContaining([ADDON, ...sources]))
  })

  it('holds every file that package.json points at', () => {
    const targets = Object.values(manifest.exports).flatMap((target) =>
      typeof target === 'string'
        ? [target]
        : [target.import, target.require].flatMap((conditions) => Object.values(conditions)),
    )
    expect(targets.length).toBeGreaterThan(4)
    expect(targets.filter((path) => !files.includes(path.replace('./', '')))).toEqual([])
  })

  it('holds the documents that the README points at', () => {
    const readme = readFileSync(resolve(root, 'README.md'), 'utf8')
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path)
    expect(links.length).toBeGreaterThan(4)
    const shipped = [...files, 'CONTRIBUTING.md']
    expect(links.filter((path) => !shipped.includes(String(path)))).toEqual([])
  })

  it(`is smaller than ${MAX_PACKED_BYTES} bytes`, () => {
    expect(tarball.size).toBeGreaterThan(1000)
    expect(tarball.size).toBeLessThan(MAX_PACKED_BYTES)
  })

  it('knows no path of the machine that built it', () => {
    const compiled = files.filter((path) => /^(dist|prebuilds)\//.test(path))
    expect(compiled.length).toBeGreaterThan(0)
    const telling = compiled.filter((path) => readFileSync(resolve(root, path)).includes(root))
    expect(telling).toEqual([])
  })
})

describe('package.json', () => {
  it('has no run-time dependencies', () => {
    expect(manifest.dependencies).toBeUndefined()
  })

  it('names every subpath for compilers that do not read `exports`', () => {
    const subpaths = Object.entries(manifest.exports).flatMap(([path, target]) =>
      typeof target === 'string' || path === '.' ? [] : [[path.slice(2), [target.require.types]]],
    )
    expect(manifest.typesVersions?.['*'] ?? {}).toEqual(Object.fromEntries(subpaths))
  })
})

describe('the linters of packages', () => {
  it('publint finds nothing', () => {
    const { code, output } = run('npx', ['publint', 'run', tarball.path, '--strict'], root)
    expect(output).toContain('All good!')
    expect(code).toBe(0)
  })

  it('are-the-types-wrong finds nothing, in any resolution mode', () => {
    const args = ['attw', tarball.path, '--profile', 'strict', '--no-color', '--no-emoji']
    const { code, output } = run('npx', args, root)
    expect(output).toContain('No problems found')
    expect(code).toBe(0)
  })
})
