import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { parseAst } from 'vitest/node'

const ROOT = resolve(__dirname, '../..')

/** Any node of the syntax tree, as ESTree with TypeScript describes it. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** One source file, parsed. */
export interface Module {
  /** Relative to the repository, with forward slashes: `src/crypto/aead.ts`. */
  readonly path: string
  readonly text: string
  readonly body: readonly Node[]
  /** Every node, parents before their children. */
  readonly nodes: readonly Node[]
  /** Specifiers of every import, export … from, import(), import type and require. */
  readonly imports: readonly string[]
}

/** All TypeScript files below a folder of the repository. */
export function readModules(folder: string): Module[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name).split(sep).join('/'))
    .sort()
    .map((path) => parseModule(path, readFileSync(join(ROOT, path), 'utf8')))
}

/** Parses one file; exported so that the rules can be shown to catch what they are for. */
export function parseModule(path: string, text: string): Module {
  const body = (parseAst(text, { lang: 'ts' }) as unknown as { body: Node[] }).body
  const nodes = body.flatMap(flatten)
  return { path, text, body, nodes, imports: nodes.flatMap(specifierOf) }
}

function flatten(node: Node): Node[] {
  return [node, ...Object.values(node).flatMap(childNodes).flatMap(flatten)]
}

function childNodes(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(childNodes)
  return isNode(value) ? [value] : []
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

function specifierOf(node: Node): string[] {
  const source = isRequire(node) ? (node.arguments as Node[])[0] : node.source
  if (!isNode(source)) return []
  return typeof source.value === 'string' ? [source.value] : ['(computed)']
}

function isRequire(node: Node): boolean {
  return node.type === 'CallExpression' && (node.callee as Node).name === 'require'
}

/** The file a relative specifier names, among those given. */
export function resolveImport(
  from: string,
  specifier: string,
  paths: ReadonlySet<string>,
): string | undefined {
  const base = relative(ROOT, resolve(ROOT, dirname(from), specifier))
    .split(sep)
    .join('/')
  return [`${base}.ts`, `${base}/index.ts`].find((path) => paths.has(path))
}

/** The line a position stands in, from 1. */
export function lineOf(module: Module, position: number): number {
  return module.text.slice(0, position).split('\n').length
}
