import { describe, expect, it } from 'vitest'
import { undocumentedExports } from './architecture/docstrings'
import {
  lineOf,
  type Module,
  type Node,
  parseModule,
  readModules,
  resolveImport,
} from './architecture/modules'
import { entryPoints } from './package/entry-points'

// Imports go one way, downwards. A part of src/ is a folder, or a file that stands for one.
const BELOW: Record<string, readonly string[]> = {
  errors: [],
  bytes: ['errors'],
  crypto: ['bytes', 'errors'],
  providers: ['crypto', 'bytes', 'errors'],
  'key-store': ['providers', 'crypto', 'bytes', 'errors'],
  keys: ['key-store', 'providers', 'crypto', 'bytes', 'errors'],
  envelope: ['keys', 'crypto', 'bytes', 'errors'],
  // An exact token is made over the typed value that an envelope would hold.
  'blind-index': ['envelope', 'keys', 'crypto', 'bytes', 'errors'],
  field: ['blind-index', 'envelope', 'keys', 'bytes', 'errors'],
  'query-plan': [],
  adoption: ['key-store', 'crypto', 'errors'],
  schema: ['adoption', 'field', 'blind-index', 'envelope', 'keys', 'key-store', 'bytes', 'errors'],
}
const EVERY_PART = Object.keys(BELOW)
// Only listens to events.
BELOW.opentelemetry = ['keys', 'errors']
// Neighbours: neither imports the other, so that another ORM can join later.
BELOW.testing = [
  ...['schema', 'query-plan', 'keys', 'key-store', 'providers', 'crypto', 'bytes', 'errors'],
]
BELOW.typeorm = EVERY_PART
BELOW.rotation = EVERY_PART
BELOW['pg-boss'] = [...EVERY_PART, 'rotation']
BELOW.cli = [...EVERY_PART, 'typeorm', 'rotation']

/** Entry files only gather what others define. */
const ENTRY_FILES = ['src/aws-kms.ts', 'src/index.ts', 'src/pkcs11.ts', 'src/postgres.ts']

/** Every package that src/ may name, and where. Everything else would be a dependency of the core. */
const PACKAGES: Record<string, RegExp> = {
  '@aws-sdk/client-kms': /^src\/providers\/aws-kms/,
  '@opentelemetry/api': /^src\/opentelemetry\.ts$/,
  // A module of the project that the command line was given the path of, and the addon.
  '(computed)': /^src\/(cli\/import-file|crypto\/native)\.ts$/,
  'cli-progress': /^src\/cli\//,
  commander: /^src\/cli\//,
  pg: /^src\/keys\/store-from-env\.ts$/,
  pkcs11js: /^src\/providers\/pkcs11\//,
  typeorm: /^src\/typeorm\//,
}

/** Who may draw random bytes, and for what. DEKs are drawn in seal.ts and nowhere else. */
const RANDOM_IMPORTERS: Record<string, string> = {
  'src/envelope/seal.ts': 'DEKs',
  'src/key-store/file-lock.ts': 'the name of a lock',
  'src/keys/canary.ts': 'keys that prove a provider and are thrown away',
  'src/keys/create-key.ts': 'KEKs and key ids',
  'src/keys/subject-keys.ts': 'keys of subjects and their ids',
  'src/providers/in-app.ts': 'root keys for the application to keep',
  'src/rotation/history-record.ts': 'ids of operations',
  'src/rotation/job/stored-ledger.ts': 'ids of jobs',
  'src/testing/random.ts': 'everything that the KMS emulator makes',
  'src/typeorm/placeholder.ts': 'the key of digests that stand for values within one process',
}

/** Who may use numbers that anyone could predict: times only. */
const MATH_RANDOM: Record<string, string> = {
  'src/key-store/file-lock.ts': 'spreads the next try of processes that wait for one lock',
  'src/keys/backoff.ts': 'spreads the next try of processes that one outage hit together',
  'src/keys/cache.ts': 'spreads the refresh of keys that were loaded together',
  'src/pg-boss/queue.ts': 'spreads the next try of workers that make a queue together',
}

/** TypeORM's builders are extended because it creates them itself and offers no other hook. */
const MAY_EXTEND = /^src\/typeorm\//

/** Functions over 40 lines, `file: name`, each with the reason it is read more easily in one piece. */
const LONG_FUNCTIONS: Record<string, string> = {
  'src/key-store/postgres-statements.ts: keyStoreStatements': 'a table of SQL without any logic',
  'src/key-store/postgres-subjects.ts: subjectStatements': 'the same',
  'src/rotation/job/ledger-statements.ts: ledgerStatements': 'the same',
}

const modules = readModules('src')
const entryPaths = entryPoints.map(({ source }) => source)
const byPath = new Map(modules.map((module) => [module.path, module]))
const paths = new Set(byPath.keys())

describe('imports', () => {
  it('go downwards only', () => {
    expect(modules.flatMap(upwardImports)).toEqual([])
  })

  it('form no cycle', () => {
    expect(findCycle(modules)).toBeNull()
  })

  it('reach node:crypto only from src/crypto', () => {
    expect(
      importersOf(/^(node:)?crypto$/).filter((path) => !path.startsWith('src/crypto/')),
    ).toEqual([])
  })

  it('name only the packages that are optional peers, each in its own place', () => {
    expect(modules.flatMap(foreignImports)).toEqual([])
  })

  it('reach the random generator only where a key or an id is made', () => {
    const importers = modules.filter((module) => targets(module).includes('src/crypto/random.ts'))
    expect(importers.map(({ path }) => path)).toEqual(Object.keys(RANDOM_IMPORTERS))
  })
})

describe('files', () => {
  it('are named after the concept they hold', () => {
    const vague = /(^|[/-])(utils?|helpers?|types|common|misc|interfaces)(\.ts$|\/)/
    expect(modules.map(({ path }) => path).filter((path) => vague.test(path))).toEqual([])
  })

  it('have names in kebab-case and at most 300 lines', () => {
    const wrong = modules.filter(
      ({ path, text }) => !/^src(\/[a-z0-9-]+)+\.ts$/.test(path) || text.split('\n').length > 301,
    )
    expect(wrong.map(({ path }) => path)).toEqual([])
  })
})

describe('code', () => {
  it('has no function over 40 lines', () => {
    expect(modules.flatMap(longFunctions)).toEqual(Object.keys(LONG_FUNCTIONS))
  })

  it('inherits only for errors and for the builders that TypeORM makes', () => {
    expect(modules.flatMap(inheritances)).toEqual([])
  })

  it('uses Math.random for waiting times only', () => {
    const users = modules.filter(({ text }) => /\bMath\.random\b/.test(text))
    expect(users.map(({ path }) => path)).toEqual(Object.keys(MATH_RANDOM))
  })

  it('documents every exported name of the entry points', () => {
    expect(entryPaths.filter((path) => !paths.has(path))).toEqual([])
    const entries = modules.filter(({ path }) => entryPaths.includes(path))
    expect(entries.flatMap((entry) => undocumentedExports(entry, byPath))).toEqual([])
  })
})

describe('the rules themselves', () => {
  it('see every form of import', () => {
    const forms = [
      "import './a'",
      "import type { B } from './b'",
      "export * from './c'",
      "export { d } from './d'",
      "type E = import('./e').E",
      "const f = () => import('./f')",
      "const g = require('./g')",
    ]
    const { imports } = parseModule('src/keys/x.ts', forms.join('\n'))
    expect(imports).toEqual(['./a', './b', './c', './d', './e', './f', './g'])
  })

  it('catch an import upwards, a foreign package, a subpath of a peer and a computed name', () => {
    const upwards = parseModule(
      'src/crypto/x.ts',
      "import { e } from '../errors'\nimport '../keys/access'",
    )
    expect(upwardImports(upwards)).toEqual(['src/crypto/x.ts -> src/keys/access.ts'])
    const foreign = "import 'typeorm/driver'\nimport 'pg'\nimport 'typeorm'\nimport(name)"
    expect(foreignImports(parseModule('src/typeorm/x.ts', foreign))).toEqual([
      'src/typeorm/x.ts -> typeorm/driver',
      'src/typeorm/x.ts -> pg',
      'src/typeorm/x.ts -> (computed)',
    ])
    expect(foreignImports(parseModule('src/keys/x.ts', "import 'typeorm'"))).toHaveLength(1)
  })

  it('catch a cycle, a long function, inheritance and a missing docstring', () => {
    const a = parseModule('src/errors.ts', "import './bytes'")
    const b = parseModule('src/bytes.ts', "import './errors'")
    expect(findCycle([a, b])).toEqual(['src/errors.ts', 'src/bytes.ts', 'src/errors.ts'])
    const long = parseModule('src/keys/x.ts', `const f = () => {${'\n'.repeat(40)}}`)
    expect(longFunctions(long)).toEqual(['src/keys/x.ts: f'])
    expect(inheritances(parseModule('src/keys/x.ts', 'class A extends B {}'))).toHaveLength(1)
    const bare = parseModule('src/x.ts', '/** One. */\nexport const a = 1\nexport const b = 2')
    expect(undocumentedExports(bare, new Map([[bare.path, bare]]))).toEqual(['src/x.ts: b'])
  })
})

function partOf(path: string): string {
  return path.replace(/^src\//, '').replace(/(\/.*|\.ts)$/, '')
}

function targets(module: Module): string[] {
  return module.imports
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => resolveImport(module.path, specifier, paths) ?? specifier)
}

function upwardImports(module: Module): string[] {
  if (ENTRY_FILES.includes(module.path)) return []
  const part = partOf(module.path)
  return targets(module)
    .filter((path) => partOf(path) !== part && !BELOW[part]?.includes(partOf(path)))
    .map((path) => `${module.path} -> ${path}`)
}

function foreignImports(module: Module): string[] {
  return module.imports
    .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
    .filter((specifier) => !PACKAGES[specifier]?.test(module.path))
    .map((specifier) => `${module.path} -> ${specifier}`)
}

function importersOf(specifier: RegExp): string[] {
  return modules
    .filter(({ imports }) => imports.some((name) => specifier.test(name)))
    .map(({ path }) => path)
}

/** The first cycle found, as the files it goes through, or null. */
function findCycle(all: readonly Module[]): string[] | null {
  const finished = new Set<string>()
  const visit = (path: string, trail: string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    const module = all.find((candidate) => candidate.path === path)
    if (finished.has(path) || !module) return null
    for (const next of targets(module)) {
      const cycle = visit(next, [...trail, path])
      if (cycle) return cycle
    }
    finished.add(path)
    return null
  }
  return all.map(({ path }) => visit(path, [])).find((cycle) => cycle !== null) ?? null
}

function longFunctions(module: Module): string[] {
  return module.nodes
    .filter(({ type }) =>
      /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(type),
    )
    .filter(({ start, end }) => lineOf(module, end) - lineOf(module, start) >= 40)
    .map((node) => `${module.path}: ${functionName(module, node)}`)
}

function functionName(module: Module, node: Node): string {
  if (node.id) return String((node.id as Node).name)
  const owner = module.nodes.find(({ init, value }) => init === node || value === node)
  const name = (owner?.id ?? owner?.key) as Node | undefined
  return String(name?.name ?? `line ${lineOf(module, node.start)}`)
}

function inheritances(module: Module): string[] {
  if (MAY_EXTEND.test(module.path)) return []
  return module.nodes
    .filter(({ type }) => type === 'ClassDeclaration' || type === 'ClassExpression')
    .map(({ superClass }) => superClass as Node | null)
    .filter((parent) => parent !== null && parent.name !== 'Error')
    .map((parent) => `${module.path}:${lineOf(module, parent?.start ?? 0)}`)
}
