import { pathToFileURL } from 'node:url'

/** Imports a module by its absolute path; one that is CommonJS gives its exports as `default`. */
export function importFile(path: string): Promise<unknown> {
  return import(pathToFileURL(path).href)
}
