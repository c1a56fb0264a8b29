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

/** What users import: `mortise`, `mortise/postgres`, … */
export const entryPoints: string[] = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target !== 'string')
  .map(([path]) => path.replace(/^\./, manifest.name))
