import type { EncryptedSchema } from '../schema'
import type { JobOptions } from './job/job-options'
import type { JobTableReport } from './job/job-report'
import type { JobDefinition } from './job/run-job'
import { defineReencrypt, type ReencryptOptions } from './reencrypt'
import { defineRewrap, rewrapSubjectKeys } from './rewrap'
import { defineVerify, type VerifyOptions } from './verify'

/** The verbs that are one job, with what each of them takes. */
export interface JobVerbOptions {
  readonly rewrap: JobOptions
  readonly reencrypt: ReencryptOptions
  readonly verify: VerifyOptions
}

/** A verb whose job can be handed out in shards. */
interface JobVerb<Options> {
  /**
   * The job as it would begin now. Asked by everybody who takes part: what they find must be the same.
   */
  define(schema: EncryptedSchema, options: Options): Promise<JobDefinition>
  /** What whoever begins the job does first; run again, it does no harm. null where that was nothing. */
  before(schema: EncryptedSchema, options: Options): Promise<JobTableReport | null>
}

const nothing = async (): Promise<null> => null

/** Every verb that can be handed out. */
export const JOB_VERBS: { readonly [Verb in keyof JobVerbOptions]: JobVerb<JobVerbOptions[Verb]> } =
  {
    rewrap: { define: defineRewrap, before: rewrapSubjectKeys },
    reencrypt: { define: defineReencrypt, before: rewrapSubjectKeys },
    verify: { define: defineVerify, before: nothing },
  }
