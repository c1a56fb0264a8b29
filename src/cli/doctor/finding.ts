/**
 * - `ok`: as it should be, or worth knowing without being wrong
 * - `warning`: works, and is weaker or slower than it should be
 * - `problem`: values, keys or answers are at risk, or statements fail
 * - `skipped`: not decided, and the finding says why
 */
export type FindingStatus = 'ok' | 'warning' | 'problem' | 'skipped'

/** What one check found about one thing. Holds no value of an encrypted property and no key bytes. */
export interface Finding {
  /** Name of the check, such as `row-contents`. */
  readonly check: string
  readonly status: FindingStatus
  /** `Entity.property`, a table, a key, a provider, a job or a setting. */
  readonly subject: string
  /** What was found, as a sentence. */
  readonly finding: string
  /** What to run or to change, to be pasted where it is SQL or a command; null where nothing is to do. */
  readonly fix: string | null
}

/** A finding without the name of its check, which the runner adds. */
export type Found = Omit<Finding, 'check'>

/** All is well with a subject. */
export function ok(subject: string, finding: string): Found {
  return { status: 'ok', subject, finding, fix: null }
}

/** Something that works and should be better. */
export function warning(subject: string, finding: string, fix: string | null): Found {
  return { status: 'warning', subject, finding, fix }
}

/** Something that is wrong. */
export function problem(subject: string, finding: string, fix: string | null): Found {
  return { status: 'problem', subject, finding, fix }
}

/** Something that could not be decided. */
export function skipped(subject: string, finding: string, fix: string | null): Found {
  return { status: 'skipped', subject, finding, fix }
}
