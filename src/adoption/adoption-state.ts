/** How far an application has moved a property from its former column to its envelope. */
export type AdoptionState = 'dual' | 'backfilled' | 'verified' | 'sealed'

/** The states in their order. */
export const ADOPTION_STATES: readonly AdoptionState[] = [
  'dual',
  'backfilled',
  'verified',
  'sealed',
]

/** What the database records: in `verifying`, writers that know only the former column are refused. */
export type RecordedState = AdoptionState | 'verifying'

/** Whether reads and conditions use the former column, whose value is the true one then. */
export function readsPlain(state: AdoptionState): boolean {
  return state === 'dual' || state === 'backfilled'
}

/** Whether writes keep the former column in step. */
export function writesPlain(state: AdoptionState): boolean {
  return state !== 'sealed'
}

const RANK: Readonly<Record<RecordedState, number>> = {
  dual: 0,
  backfilled: 1,
  verifying: 1,
  verified: 2,
  sealed: 3,
}

/**
 * Whether an application that declares `declared` may run on a database that records `recorded`: the
 * database is as far, and not so far that the former column is no longer kept.
 */
export function mayDeclare(declared: AdoptionState, recorded: RecordedState): boolean {
  if (RANK[declared] > RANK[recorded]) return false
  return recorded !== 'sealed' || !readsPlain(declared)
}
