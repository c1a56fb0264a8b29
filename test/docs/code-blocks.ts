import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '../..')

/** A TypeScript block of a document. */
export interface CodeBlock {
  /** `README-1`: the document and the block's number in it, usable as a file name. */
  readonly name: string
  readonly code: string
  /** Marked `ts run`: it is executed as well as type-checked. */
  readonly runs: boolean
}

/** A block that quotes a file of the repository. */
export interface Excerpt {
  readonly document: string
  readonly file: string
  readonly code: string
}

/** Every block fenced as `ts` in the README and below docs/. */
export function readCodeBlocks(): CodeBlock[] {
  return readDocuments().flatMap(({ path, text }) => extractCodeBlocks(path, text))
}

/** Every block fenced as `ts FILE`: lines of a file whose packages are not installed here. */
export function readExcerpts(): Excerpt[] {
  return readDocuments().flatMap(({ path, text }) => extractExcerpts(path, text))
}

function readDocuments(): { path: string; text: string }[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  const paths = docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name))
  return ['README.md', ...paths.sort()].map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }))
}

/** The blocks of one document. */
export function extractCodeBlocks(path: string, text: string): CodeBlock[] {
  const stem = path.replace(/\.md$/, '').replace(/[^A-Za-z0-9-]/g, '-')
  return [...text.matchAll(/^```ts( run)?\n([\s\S]*?)^```$/gm)].map(([, runs, code], index) => ({
    name: `${stem}-${index + 1}`,
    code: String(code),
    runs: runs !== undefined,
  }))
}

/** The quotations of one document. */
export function extractExcerpts(document: string, text: string): Excerpt[] {
  return [...text.matchAll(/^```ts (\S*\/\S+)\n([\s\S]*?)^```$/gm)].map(([, file, code]) => ({
    document,
    file: String(file),
    code: String(code),
  }))
}
