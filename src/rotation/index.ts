/** Entry point `mortise/rotation`: rotating keys, and moving stored values to the new one. */
export { type CensusRow, census } from './census'
export { disableKey, enableKey, type KeyStateOptions } from './key-state'
export { rewrap } from './rewrap'
export type {
  RewrapCounts,
  RewrapFailure,
  RewrapOptions,
  RewrapProgress,
  RewrapReport,
  RewrapTableReport,
} from './rewrap-report'
export { type RotateKekOptions, type RotateKekResult, rotateKek } from './rotate-kek'
