import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Whether the package, as this process loads it, has its native path. */
export function hasNativePath() {
  return require('../../dist/crypto/native.js').nativeStatus().active
}

/** The paths of the package that can be measured here, each in a lane with an environment of its own. */
export function mortisePaths() {
  const javascript = { path: 'JavaScript', env: { MORTISE_NATIVE: '0' } }
  return hasNativePath() ? [{ path: 'native', env: {} }, javascript] : [javascript]
}
