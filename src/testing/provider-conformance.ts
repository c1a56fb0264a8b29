import { integrityClauses } from './conformance/integrity-clauses'
import { lifecycleClauses } from './conformance/lifecycle-clauses'
import { rewrapClauses } from './conformance/rewrap-clauses'
import { roundTripClauses } from './conformance/round-trip-clauses'
import { secrecyClauses } from './conformance/secrecy-clauses'
import type { Clause, ConformanceCheck, ConformanceTarget, FullTarget } from './conformance/target'

const CLAUSES: readonly Clause[] = [
  ...roundTripClauses,
  ...integrityClauses,
  ...secrecyClauses,
  ...lifecycleClauses,
  ...rewrapClauses,
]

/**
 * The contract of key providers as checks, for any test runner:
 * `for (const { name, run } of providerConformance({ create })) it(name, run)`.
 *
 * Costs some 400 calls of the provider. Clauses about a situation that the target does not offer, such
 * as an outage, are left out.
 *
 * @param target - makes the provider, and the situations that the suite cannot make itself
 * @returns the checks, always in the same order; each is independent of the others
 * @see docs/how-to/write-a-provider.md
 */
export function providerConformance(target: ConformanceTarget): readonly ConformanceCheck[] {
  const full = { ...target, secrets: target.secrets ?? [] } as FullTarget
  return CLAUSES.filter(([, , needs]) => needs === undefined || target[needs] !== undefined).map(
    ([name, check]) => ({ name, run: () => check(full) }),
  )
}
