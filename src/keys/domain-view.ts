import type { KeyRecord } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'

/** The keys of one domain as one read of the key store showed them. */
export interface DomainView {
  readonly epoch: number
  readonly keys: ReadonlyMap<string, KeyRecord>
  /** The highest version of each purpose: the only one that may seal. */
  readonly latest: Readonly<Record<KeyPurpose, KeyRecord | undefined>>
}

/** Keys of other domains, which no honest store returns, are left out. */
export function domainView(
  domain: string,
  loaded: { readonly epoch: number; readonly keys: readonly KeyRecord[] },
): DomainView {
  const keys = loaded.keys.filter((key) => key.domain === domain)
  return {
    epoch: loaded.epoch,
    keys: new Map(keys.map((key) => [key.id, key])),
    latest: { data: latestOf(keys, 'data'), index: latestOf(keys, 'index') },
  }
}

/** Whether `view` shows less than `seen`: a lower epoch, or a latest version that is gone. */
export function isOlder(view: DomainView, seen: DomainView): boolean {
  return (
    view.epoch < seen.epoch ||
    versionOf(view.latest.data) < versionOf(seen.latest.data) ||
    versionOf(view.latest.index) < versionOf(seen.latest.index)
  )
}

function latestOf(keys: readonly KeyRecord[], purpose: KeyPurpose): KeyRecord | undefined {
  return keys
    .filter((key) => key.purpose === purpose)
    .reduce<KeyRecord | undefined>((a, b) => (versionOf(a) > b.version ? a : b), undefined)
}

function versionOf(key: KeyRecord | undefined): number {
  return key?.version ?? 0
}
