import { type Command, Option } from 'commander'
import { placeLabel } from '../../adoption/adopted-place'
import { ADOPTION_STATES, type AdoptionState } from '../../adoption/adoption-state'
import { type AdoptReport, adopt } from '../../rotation'
import { schemaOf } from '../../schema'
import { defineCommand } from '../command'
import { confirm } from '../confirm'
import { type JobFlags, jobExit, jobOptions, jobText, runJob } from '../job'
import { yesOption } from '../options'
import { textTable } from '../text-table'

interface Flags extends JobFlags {
  readonly to: AdoptionState
  readonly yes?: boolean
}

/** `mortise adopt`. */
export const adoptCommand: Command = defineCommand<'data', Flags>({
  name: 'adopt',
  summary: 'encrypt existing columns, state by state, while the application runs',
  description: [
    'Takes every property that declares `adopt`, and that is far enough, to the next state: backfilled seals every value, verified opens and compares every envelope, sealed empties the former columns; dual goes back. Deploys and migrations stand between the states.',
    'Cost: one pass over the tables in short transactions, keys of the keyring, a seal or an opening for each value.',
    'Can be undone until sealed, which asks first. So does verified: from its first moment on, writes by an application from before are refused.',
  ],
  examples: [
    'mortise adopt --to backfilled -d src/data-source.ts --workers 2 --rows-per-second 5000',
    'mortise adopt --to verified -d src/data-source.ts --dry-run',
    'mortise adopt --to sealed -d src/data-source.ts',
  ],
  exits: { 3: 'values failed or were skipped: the state is not reached, the output names them' },
  options: [
    new Option('--to <state>', 'state to reach').choices(ADOPTION_STATES).makeOptionMandatory(),
    ...jobOptions(),
    yesOption(),
  ],
  needs: 'data',
  async run(call) {
    const { target, output, flags } = call
    const { to, dryRun = false, yes } = flags
    const loss = LOSSES[to]
    if (loss !== undefined && !dryRun) {
      await confirm({ loss: `${formerColumns(target.dataSource).join(', ')}: ${loss}`, yes })
    }
    const report = await runJob(call, (dataSource, options) =>
      adopt(dataSource, { ...options, to }),
    )
    output.result({ command: 'adopt', to, dryRun, ...report }, () => reportText(report))
    return jobExit(report)
  },
})

const LOSSES: Readonly<Partial<Record<AdoptionState, string>>> = {
  verified: 'writes that know only the former column are refused from now on.',
  sealed:
    'the former columns are emptied. Their values stay in their envelopes alone, and there is no way back.',
}

/** `table.column`, of every column that is being adopted, however far it is. */
function formerColumns(dataSource: object): string[] {
  const columns = schemaOf(dataSource).tables.flatMap((table) => table.columns)
  return columns.flatMap(({ adopted }) =>
    adopted === null ? [] : [`${placeLabel(adopted.place)}.${adopted.place.plainColumn}`],
  )
}

function reportText(report: AdoptReport): string[] {
  const { corrected, states } = report
  return [
    ...jobText(report, 'done'),
    ...(corrected > 0 ? [`${corrected} were not those of their values, and were replaced.`] : []),
    ...textTable(['property', 'state'], Object.entries(states)),
  ]
}
