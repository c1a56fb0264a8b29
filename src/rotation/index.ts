export { type CensusRow, census } from './census'
export { disableKey, enableKey } from './key-state'
export {
  type RewrapFailure,
  type RewrapOptions,
  type RewrapProgress,
  type RewrapReport,
  rewrap,
} from './rewrap'
export { type RotateKekOptions, type RotateKekResult, rotateKek } from './rotate-kek'
