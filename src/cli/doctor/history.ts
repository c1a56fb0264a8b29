import type { HistoryEntry } from '../../rotation/history-record'
import { verifyHistory } from '../../rotation/verify-history'
import { type Found, ok, problem, warning } from './finding'
import type { Setup } from './setup'

const SUBJECT = 'history'
const HOUR_MS = 60 * 60 * 1000
/** Their progress is kept with the data, where the check of jobs finds them. */
const JOBS: readonly HistoryEntry['verb'][] = ['rewrap', 'reencrypt', 'reindex', 'adopt', 'verify']

/** The records of all operations hold, and those of keys have ended. */
export async function checkHistory({ keyring }: Setup): Promise<Found[]> {
  const { holds, broken, head, unfinished } = await verifyHistory(keyring)
  const open = unfinished.filter(
    ({ verb, beganAt }) => !JOBS.includes(verb) && Date.parse(beganAt) < Date.now() - HOUR_MS,
  )
  return [
    holds
      ? ok(SUBJECT, `holds up to record ${head.sequence}`)
      : problem(
          SUBJECT,
          `record ${broken?.sequence} is ${broken?.problem}: somebody changed the key store`,
          'find out who may write to mortise_history; compare it with a backup',
        ),
    ...open.map(interrupted),
  ]
}

function interrupted({ verb, operation, beganAt }: HistoryEntry): Found {
  const finding = `${verb} began at ${beganAt} and its end is not recorded: it was interrupted`
  return warning(`${verb} ${operation}`, finding, 'look at the keys, and run it again where needed')
}
