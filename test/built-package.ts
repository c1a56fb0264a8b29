import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '..')
const CACHE = join(ROOT, '.cache')

/** A folder that has the package installed as a user would have it: compiled, reached by its name. */
export interface UserProject {
  readonly folder: string
  /** Copies or writes a file into the project. */
  write(name: string, text: string): string
  copy(file: string): string
}

/**
 * Makes a user's project. Within the repository, `mortise` would be the repository itself, so it has
 * a package.json of its own.
 *
 * @param name - of the folder under `.cache`; one for each test file
 */
export function userProject(name: string): UserProject {
  const folder = join(CACHE, name)
  rmSync(folder, { recursive: true, force: true })
  const installed = join(folder, 'node_modules', 'mortise')
  mkdirSync(installed, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'))
  cpSync(builtOnce(), join(installed, 'dist'), { recursive: true })
  const addons = join(ROOT, 'prebuilds')
  if (existsSync(addons)) cpSync(addons, join(installed, 'prebuilds'), { recursive: true })
  const project: UserProject = {
    folder,
    write(file, text) {
      writeFileSync(join(folder, file), text)
      return join(folder, file)
    },
    copy(file) {
      const target = join(folder, file.replace(/^.*\//, ''))
      cpSync(join(ROOT, file), target)
      return target
    },
  }
  project.write('package.json', '{ "private": true }')
  return project
}

/** What these sources compile to: built by the first test file that needs it, whatever runs beside it. */
function builtOnce(): string {
  const hash = createHash('sha256')
  for (const file of [
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/build.mjs',
  ]) {
    hash.update(readFileSync(join(ROOT, file)))
  }
  for (const name of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).sort()) {
    if (name.endsWith('.ts')) hash.update(name).update(readFileSync(join(ROOT, 'src', name)))
  }
  const target = `dist-${hash.digest('hex').slice(0, 16)}`
  const built = join(CACHE, target)
  if (existsSync(built)) return built
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE).filter((one) => /^dist-/.test(one))) {
    if (name !== target) rmSync(join(CACHE, name), { recursive: true, force: true })
  }
  const own = mkdtempSync(join(CACHE, 'building-'))
  const { code, output } = runNode(['scripts/build.mjs', own])
  if (code !== 0) throw new Error(output)
  try {
    renameSync(own, built)
  } catch {
    // Another test file was first.
    rmSync(own, { recursive: true })
  }
  return built
}

/** Runs Node in the repository's folder and waits for it. */
export function runNode(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): { code: number | null; output: string } {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  return { code: status, output: stdout + stderr }
}
