import type { Session } from '../key-store/store'
import type { KeyKind, KeyRequest, OpeningKey, OpeningKeys, ProviderDeks } from './access'
import { subjectShredded } from './key-use'
import type { KeyOpening } from './opening'
import type { ProviderKeys } from './provider-keys'
import type { SubjectKeys } from './subject-keys'

/** Where each kind of key comes from. */
export interface OpeningKeySources {
  readonly opening: KeyOpening
  readonly subjects: SubjectKeys
  readonly providerKeys: ProviderKeys
}

/** Fetches the keys of one page; see `KeyAccess.keysFor`. */
export async function openingKeys(
  { opening, subjects, providerKeys }: OpeningKeySources,
  request: KeyRequest,
  session?: Session,
): Promise<OpeningKeys> {
  const data = await opening.open(request.data, session)
  const ofSubjects =
    request.subject.size === 0
      ? { keys: new Map<string, OpeningKey>(), shredded: new Map<string, Date>() }
      : await subjects.opening(request.subject, session)
  const provider = new Map<string, ProviderDeks>()
  for (const [id, wrappedDeks] of request.provider) {
    const record = await opening.providerRecord(id, session)
    provider.set(id, await providerKeys.opening(record, wrappedDeks))
  }
  const byKind: Record<KeyKind, ReadonlyMap<string, OpeningKey>> = {
    data,
    subject: ofSubjects.keys,
    provider,
  }
  const { shredded } = ofSubjects
  return {
    keyOf: (id, kind) => byKind[kind].get(id) ?? missing(id, shredded.get(id)),
    shreddedAt: (id) => shredded.get(id),
  }
}

function missing(id: string, shreddedAt: Date | undefined): never {
  if (shreddedAt === undefined) throw new RangeError(`key ${id} was not asked for`)
  throw subjectShredded(id, shreddedAt)
}
