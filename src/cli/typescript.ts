import { createRequire, register } from 'node:module'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MortiseError } from '../errors'
import { importFile } from './import-file'
import { nearestFile } from './nearest-file'

/** A package that lets Node load TypeScript. */
interface Loader {
  readonly name: string
  /** Makes `require` understand TypeScript, or `import` where the file is an ES module. */
  readonly start: (load: NodeJS.Require, isModule: boolean, file: string) => unknown
}

/**
 * In the order in which they are looked for. The first two write the types of decorated properties
 * into the code (`emitDecoratorMetadata`), which TypeORM reads where a column names no type; tsx
 * cannot, and serves projects that name all types.
 */
const LOADERS: readonly Loader[] = [
  {
    name: 'ts-node',
    start: (load, isModule, file) =>
      isModule
        ? registerHooks('ts-node/esm/transpile-only', file)
        : load('ts-node').register({ transpileOnly: true }),
  },
  {
    name: '@swc-node/register',
    start: (load, isModule, file) =>
      isModule ? registerHooks('@swc-node/register/esm', file) : load('@swc-node/register'),
  },
  {
    name: 'tsx',
    start: (load) => importFile(load.resolve('tsx')),
  },
]

/** Where each of them reads the path of the tsconfig.json from. */
const TSCONFIG_VARIABLES = ['TS_NODE_PROJECT', 'SWC_NODE_PROJECT', 'TSX_TSCONFIG_PATH']

/**
 * Lets Node load the project's TypeScript, by the first of ts-node, @swc-node/register and tsx that
 * the project has installed, with the tsconfig.json nearest to the file. Where Node was started with
 * one of them, that one is used.
 *
 * @param file - the module to be loaded
 * @param isModule - it is an ES module
 * @throws ERR_CONFIG where the project has none of them, or it cannot be started
 */
export async function registerTypeScript(file: string, isModule: boolean): Promise<void> {
  if (isRegistered()) return
  const load = createRequire(file)
  const loader = LOADERS.find(({ name }) => isInstalled(load, name))
  if (loader === undefined) throw noLoader(file)
  const tsconfig = nearestFile(dirname(file), 'tsconfig.json')
  for (const variable of tsconfig === null ? [] : TSCONFIG_VARIABLES) {
    process.env[variable] ??= tsconfig as string
  }
  try {
    await loader.start(load, isModule, file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${loader.name} of this project cannot be started: ${reason}`
    throw new MortiseError('ERR_CONFIG', message, { cause })
  }
}

/** Hooks of Node's module loader, in the copy that the project has. */
function registerHooks(module: string, file: string): void {
  register(module, pathToFileURL(file).href)
}

/** Whether Node was told to use one of them: `node --import tsx`, NODE_OPTIONS, ts-node itself. */
function isRegistered(): boolean {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ')
  return LOADERS.some(({ name }) => options.includes(name))
}

function isInstalled(load: NodeJS.Require, name: string): boolean {
  try {
    load.resolve(name)
    return true
  } catch {
    return false
  }
}

function noLoader(file: string): MortiseError {
  const names = LOADERS.map(({ name }) => name).join(', ')
  return new MortiseError(
    'ERR_CONFIG',
    `${file} is TypeScript, and this project has none of ${names}: install one (npm install --save-dev ts-node), or give the compiled .js file`,
  )
}
