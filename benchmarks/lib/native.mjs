import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Whether the package, as this process loads it, has its native path. */
export function hasNativePath() {
  try {
    return require('../../dist/crypto/native.js').native !== null
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    return false
  }
}

/** The paths of the package that can be measured here, each in a lane with an environment of its own. */
export function mortisePaths() {
  const javascript = { path: 'JavaScript', env: { MORTISE_NATIVE: '0' } }
  return hasNativePath() ? [{ path: 'native', env: {} }, javascript] : [javascript]
}
