import { type Command, Option } from 'commander'
import { cancelJob, type JobState, jobs } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { defineCommand } from '../command'
import { confirm } from '../confirm'
import { EXIT } from '../exit-codes'
import { yesOption } from '../options'
import { counted, textTable } from '../text-table'

interface Flags extends ActorFlags {
  readonly cancel?: string
  readonly yes?: boolean
}

/** `mortise jobs`. */
export const jobsCommand: Command = defineCommand<'data', Flags>({
  name: 'jobs',
  summary: 'list batch jobs, how far they are and who works on them; cancel one',
  description: [
    'Lists the jobs that run, and of each verb the last one that ended, in whatever process or machine they were started. A job that runs and that nobody works on goes on when its verb is run again.',
    'With --cancel it ends that job for good: its workers stop before the next page, and what they wrote stays. The verb, run again, begins anew.',
    'Cost: short statements. Listing changes nothing; cancelling asks first and cannot be undone.',
  ],
  examples: [
    'mortise jobs --data-source src/data-source.ts',
    'mortise jobs --cancel 0123456789abcdef --data-source src/data-source.ts --yes',
  ],
  options: [
    new Option('--cancel <job>', 'end this job, as `mortise jobs` shows it'),
    ...actorOptions(),
    yesOption(),
  ],
  needs: 'data',
  async run({ target, flags, output }) {
    const { cancel: jobId, actor, reason, yes } = flags
    if (jobId === undefined) {
      const found = await jobs(target.dataSource)
      output.result({ command: 'jobs', jobs: found }, () => listText(found))
      return EXIT.done
    }
    await confirm({ loss: `Job ${jobId} ends where it is; what it wrote stays.`, yes })
    const { verb } = await cancelJob(target.dataSource, { jobId, actor, reason })
    output.result({ command: 'jobs', cancelled: jobId, verb }, () => [
      `Job ${jobId} is cancelled; \`mortise ${verb}\` begins anew.`,
    ])
    return EXIT.done
  },
})

function listText(found: readonly JobState[]): string[] {
  if (found.length === 0) return ['No jobs.']
  return found.flatMap((job, i) => [...(i === 0 ? [] : ['']), ...jobText(job)])
}

function jobText({ verb, jobId, state, actor, beganAt, endedAt, ...job }: JobState): string[] {
  const { shards, workers, stopped, tables } = job
  const all = shards.open + shards.leased + shards.done
  const at = endedAt === null ? `since ${beganAt.toISOString()}` : `at ${endedAt.toISOString()}`
  const by = actor === '' ? '' : ` by ${actor}`
  const idle = state === 'running' && workers.length === 0
  return [
    `${verb} ${jobId} ${state} ${at}${by}: ${shards.done} of ${counted(all, 'shard')} done`,
    ...workers.map(({ owner }) => `worker ${owner}`),
    ...(idle ? [`Nobody works on it: \`mortise ${verb}\` goes on with it.`] : []),
    ...stopped.map(({ code, shards }) => `${counted(shards, 'shard')} stopped with ${code}`),
    ...textTable(
      ['table', 'done', 'total', 'skipped', 'failed'],
      tables.map((one) => [one.table, one.done, one.total, one.skipped, one.failedCount]),
    ),
  ]
}
