import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

interface Conditions {
  readonly types: string
  readonly default: string
}

/** package.json, as far as the packaging tests read it. */
export interface Manifest {
  readonly name: string
  readonly exports: Record<string, string | { import: Conditions; require: Conditions }>
  readonly typesVersions?: Record<string, Record<string, string[]>>
  readonly dependencies?: Record<string, string>
}

/** The package.json of this repository. */
export const manifest = JSON.parse(
  readFileSync(resolve(__dirname, '../../package.json'), 'utf8'),
) as Manifest

/** What users import, and the file of src/ behind it. */
export const entryPoints: readonly { readonly name: string; readonly source: string }[] =
  Object.entries(manifest.exports).flatMap(([path, target]) => {
    if (typeof target === 'string') return []
    const source = target.require.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
    return [{ name: path.replace(/^\./, manifest.name), source }]
  })
