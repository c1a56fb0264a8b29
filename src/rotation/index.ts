/** Entry point `mortise/rotation`: rotating keys, and moving stored values to the new one. */

export type { HistoryHead } from '../key-store/history'
export { type AddProviderOptions, type AddProviderReport, addProvider } from './add-provider'
export { type AdoptOptions, type AdoptReport, adopt } from './adopt'
export { type CancelJobOptions, cancelJob } from './cancel-job'
export { type CensusRow, census } from './census'
export type { SkippedKey } from './change-wraps'
export { type DropProviderOptions, type DropProviderReport, dropProvider } from './drop-provider'
export { type HistoryRange, history } from './history'
export type {
  HistoryEntry,
  HistoryOptions,
  HistoryOutcome,
  HistoryRecord,
  HistoryVerb,
} from './history-record'
export type { JobOptions, JobProgress } from './job/job-options'
export type { JobCounts, JobFailure, JobReport, JobTableReport } from './job/job-report'
export { type JobState, type JobTableState, type JobWorker, jobs } from './jobs'
export { disableKey, enableKey, type KeyStateOptions } from './key-state'
export {
  type KeyNeed,
  type MayRetireOptions,
  type MayRetireReport,
  mayRetire,
} from './may-retire'
export { type ReencryptOptions, type ReencryptReport, reencrypt } from './reencrypt'
export {
  type ReindexedField,
  type ReindexOptions,
  type ReindexReport,
  reindex,
} from './reindex'
export type { FieldState } from './reindexing/changing-fields'
export type { ReindexJob, StepReport } from './reindexing/steps'
export { type RetireOptions, type RetireReport, retire } from './retire'
export { type RewrapReport, rewrap } from './rewrap'
export { type RotateKekOptions, type RotateKekResult, rotateKek } from './rotate-kek'
export { type RotateRootOptions, type RotateRootReport, rotateRoot } from './rotate-root'
export { type ReplayReport, replayTombstones, type ShredOptions, shred } from './shred'
export type { ShredCertificate, ShreddedKey, ShreddedTable } from './shred-certificate'
export { type VerifyOptions, verify } from './verify'
export {
  type BrokenHistory,
  type HistoryVerification,
  type VerifyHistoryOptions,
  verifyHistory,
} from './verify-history'
