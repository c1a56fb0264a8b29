import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname } from 'node:path'
import { MortiseError } from '../errors'
import { importFile } from './import-file'
import { nearestFile } from './nearest-file'
import { registerTypeScript } from './typescript'

/**
 * Loads a module of the project as Node itself would: by `import` or by `require`, depending on its
 * extension and the nearest package.json, as TypeORM's own command line does.
 *
 * @param file - absolute path
 * @returns everything that the module exports
 * @throws ERR_CONFIG where it does not exist or cannot be loaded
 */
export async function loadModule(file: string): Promise<unknown> {
  if (!existsSync(file)) throw new MortiseError('ERR_CONFIG', `there is no file ${file}`)
  const extension = extname(file)
  const isModule = /^\.m/.test(extension) || (!/^\.c/.test(extension) && inModulePackage(file))
  if (/^\.[cm]?tsx?$/.test(extension)) await registerTypeScript(file, isModule)
  try {
    return await (isModule ? importFile(file) : createRequire(file)(file))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MortiseError('ERR_CONFIG', `cannot load ${file}: ${reason}`, { cause })
  }
}

/** Whether the nearest package.json makes `.js` and `.ts` files ES modules. */
function inModulePackage(file: string): boolean {
  const manifest = nearestFile(dirname(file), 'package.json')
  if (manifest === null) return false
  try {
    return JSON.parse(readFileSync(manifest, 'utf8')).type === 'module'
  } catch {
    return false
  }
}
