/** Entry point `mortise/pg-boss`: batch jobs on any number of machines. */

export type { Boss, BossMessage } from './pg-boss/boss'
export type { MessageLimits, QueuedOptions, QueuedVerb } from './pg-boss/message'
export {
  createRotationQueue,
  type RotationQueue,
  type RotationQueueOptions,
  type ScheduleOptions,
  type WorkerOptions,
} from './pg-boss/rotation-queue'
export type { StartedJob } from './pg-boss/start-job'
export type { Workers } from './pg-boss/workers'
export type { JobVerbOptions } from './rotation/job-verbs'
