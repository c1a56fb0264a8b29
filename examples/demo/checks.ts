import { isDeepStrictEqual } from 'node:util'
import { isMortiseError, type MortiseErrorCode } from 'mortise'
import type { Person } from './person'
import type { Report } from './report'

/** Whether two lists hold the same people with the same values; in any order unless `ordered`. */
export function samePeople(
  found: readonly Person[],
  expected: readonly Person[],
  { ordered }: { ordered: boolean },
): boolean {
  const byId = (a: Person, b: Person): number => a.id - b.id
  const [left, right] = [found, expected].map((people) =>
    ordered ? people : people.toSorted(byId),
  ) as [readonly Person[], readonly Person[]]
  const equal = left.map((person, index) => isDeepStrictEqual({ ...person }, { ...right[index] }))
  return left.length === right.length && equal.every(Boolean)
}

/** Checks that an attempt is refused with one code, and shows what the application gets to read. */
export async function checkRefused(
  report: Report,
  what: string,
  code: MortiseErrorCode,
  attempt: () => Promise<unknown>,
): Promise<void> {
  try {
    await attempt()
    report.check(what, false, `no error, but ${code} was expected`)
  } catch (error) {
    if (!isMortiseError(error)) throw error
    report.check(what, error.code === code, `${error.code}: ${error.message}`)
  }
}
