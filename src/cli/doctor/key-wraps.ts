import type { KeyHealth, KeyringHealth } from '../../keys/health'
import { isUsable } from '../../keys/key-use'
import { keyControl } from '../../keys/keyring'
import { counted } from '../text-table'
import { type Found, ok, problem, warning } from './finding'
import { keyLabel } from './key-age'
import type { Setup } from './setup'

/**
 * Every key that values may need can be opened: by a provider that is configured, best by each of them,
 * and a disabled key is not the one that keys of subjects wait for.
 */
export async function checkKeyWraps({ health, keyring }: Setup): Promise<Found[]> {
  const found = await health()
  const waiting = new Map(
    (await keyControl(keyring).subjectWraps.count()).map(({ kekId, count }) => [kekId, count]),
  )
  const findings = found.keys.flatMap((key) => [
    ...wraps(key, found),
    ...disabled(key, waiting.get(key.id) ?? 0),
  ])
  return findings.some(({ status }) => status !== 'ok')
    ? findings.filter(({ status }) => status !== 'ok')
    : [ok('keys', `a configured provider opens each of ${found.keys.length}${single(found)}`)]
}

function wraps(key: KeyHealth, { providers }: KeyringHealth): Found[] {
  if (!isUsable(key)) return []
  const subject = keyLabel(key)
  const opening = key.wraps.filter((uri) => providers.some((provider) => provider.uri === uri))
  if (opening.length === 0) {
    const finding = `is wrapped by ${key.wraps.join(', ') || 'no provider'}, and none is configured`
    return [problem(subject, finding, 'configure that provider: no other can open the key')]
  }
  if (key.missing.length === 0) return []
  const finding = `is not wrapped by ${key.missing.join(', ')}: it is lost with ${opening.join(', ')}`
  return [warning(subject, finding, 'see docs/how-to/move-between-providers.md: addProvider()')]
}

function disabled(key: KeyHealth, count: number): Found[] {
  if (isUsable(key) || count === 0) return []
  return [
    problem(
      keyLabel(key),
      `is ${key.state}, and wraps the keys of ${counted(count, 'subject')}: their values do not open`,
      `npx mortise enable ${key.id} --data-source FILE`,
    ),
  ]
}

function single({ providers, keys }: KeyringHealth): string {
  return providers.length === 1 && keys.length > 0
    ? '; there is one provider, and no other could open them'
    : ''
}
