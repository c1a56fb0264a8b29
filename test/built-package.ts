import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '..')

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
  const folder = join(ROOT, '.cache', name)
  rmSync(folder, { recursive: true, force: true })
  const installed = join(folder, 'node_modules', 'mortise')
  mkdirSync(installed, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'))
  const { code, output } = runNode(['scripts/build.mjs', join(installed, 'dist')])
  if (code !== 0) throw new Error(output)
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

/** Runs Node in the repository's folder and waits for it. */
export function runNode(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): { code: number | null; output: string } {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  return { code: status, output: stdout + stderr }
}
