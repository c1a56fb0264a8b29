import type { KeyInfo } from '../../keys/keyring'
import type { KeyPurpose } from '../../providers/provider'
import { type Found, ok, problem, skipped, warning } from './finding'
import type { Setup } from './setup'

const DAY_MS = 24 * 60 * 60 * 1000
const PURPOSES: readonly KeyPurpose[] = ['data', 'index']

/**
 * Each purpose has one active key, and that of the data is no older than the policy says.
 *
 * @see NIST SP 800-57 part 1, 5.3.6: one to two years of use for keys that encrypt keys and data
 */
export async function checkKeyAge({ keys, options }: Setup): Promise<Found[]> {
  const all = await keys()
  if (all.length === 0) {
    return [skipped('keys', 'there are none: the first start with a data source makes them', null)]
  }
  return PURPOSES.flatMap((purpose) => {
    const own = all.filter((key) => key.purpose === purpose)
    const active = own.filter(({ state }) => state === 'active')
    if (own.length === 0) return []
    if (active.length === 1) return active.map((key) => judge(key, options.maxKeyAgeDays))
    const finding =
      active.length === 0 ? 'no key is active: nothing can be sealed' : 'several are active'
    return [problem(`${purpose} keys`, finding, rotation(purpose))]
  })
}

function judge(key: KeyInfo, maxDays: number): Found {
  const { purpose, version, createdAt } = key
  const days = Math.floor((Date.now() - createdAt.getTime()) / DAY_MS)
  const subject = keyLabel(key)
  const age = `version ${version} is active for ${days} days`
  if (purpose === 'index') return ok(subject, `${age}; it changes with the indexes, by reindex`)
  if (days <= maxDays) return ok(subject, `${age}, and may be for ${maxDays}`)
  return warning(subject, `${age}, more than ${maxDays}`, rotation(purpose))
}

function rotation(purpose: KeyPurpose): string {
  const rotate = `npx mortise rotate --purpose ${purpose} --data-source FILE`
  return purpose === 'data' ? `${rotate} && npx mortise rewrap --data-source FILE` : rotate
}

/** A key in the words of reports. */
export function keyLabel({ purpose, id }: Pick<KeyInfo, 'purpose' | 'id'>): string {
  return `${purpose} key ${id}`
}
