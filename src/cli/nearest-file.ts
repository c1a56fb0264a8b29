import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The path of a file with this name in a folder, or in the nearest one above that has it. */
export function nearestFile(folder: string, name: string): string | null {
  const file = join(folder, name)
  if (existsSync(file)) return file
  const above = dirname(folder)
  return above === folder ? null : nearestFile(above, name)
}
