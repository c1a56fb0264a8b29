import type { MortiseError } from '../errors'
import type { Session } from '../key-store/store'
import type { KeyKind, KeyRequest, OpeningKey, OpeningKeys, ProviderDeks } from './access'
import type { FoundKeys } from './found-keys'
import { subjectShredded } from './key-use'
import type { KeyOpening } from './opening'
import type { ProviderKeys } from './provider-keys'
import type { OpenedSubjects, SubjectKeys } from './subject-keys'

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
  const loaded = loadedKeys(opening, request)
  if (loaded !== undefined) return loaded
  const data = await opening.find(request.data, session)
  const ofSubjects =
    request.subject.size === 0 ? NO_SUBJECTS : await subjects.opening(request.subject, session)
  const records = await opening.providerRecords(request.provider.keys(), session)
  const provider = new Map<string, ProviderDeks>()
  for (const [id, record] of records.keys) {
    const wrappedDeks = request.provider.get(id) ?? new Map()
    provider.set(id, await providerKeys.opening(record, wrappedDeks))
  }
  const byKind: Record<KeyKind, FoundKeys<OpeningKey>> = {
    data,
    subject: ofSubjects,
    provider: { keys: provider, refused: records.refused },
  }
  const { shredded } = ofSubjects
  return {
    keyOf(id, kind) {
      const { keys, refused } = byKind[kind]
      return keys.get(id) ?? missing(id, refused.get(id), shredded.get(id))
    },
    shreddedAt: (id) => shredded.get(id),
  }
}

/** What most pages need: data keys that are in memory. */
function loadedKeys(
  opening: KeyOpening,
  { data, subject, provider }: KeyRequest,
): OpeningKeys | undefined {
  if (subject.size > 0 || provider.size > 0) return undefined
  const keys = new Map<string, OpeningKey>()
  for (const id of data) {
    const key = opening.loaded(id)
    if (key === undefined) return undefined
    keys.set(id, key)
  }
  return { keyOf: (id) => keys.get(id) ?? missing(id), shreddedAt: () => undefined }
}

const NO_SUBJECTS: OpenedSubjects = { keys: new Map(), refused: new Map(), shredded: new Map() }

function missing(
  id: string,
  refusal?: MortiseError | undefined,
  shreddedAt?: Date | undefined,
): never {
  if (refusal) throw refusal
  if (shreddedAt === undefined) throw new RangeError(`key ${id} was not asked for`)
  throw subjectShredded(id, shreddedAt)
}
