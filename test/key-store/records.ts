import { randomBytes } from 'node:crypto'
import type { IndexRecord, KeyRecord, SubjectKeyRecord, Tombstone } from '../../src/key-store/store'

/** A key record with random identity; its bytes mean nothing, stores do not look at them. */
export function someKey(changes: Partial<KeyRecord> = {}): KeyRecord {
  const createdAt = new Date('2026-03-04T05:06:07.089Z')
  return {
    id: randomBytes(8).toString('hex'),
    domain: 'default',
    purpose: 'data',
    version: 1,
    state: 'active',
    kcv: randomBytes(32),
    createdAt,
    stateChangedAt: createdAt,
    epoch: 0,
    wraps: [{ providerUri: 'in-app:primary', wrapped: randomBytes(40), createdAt }],
    ...changes,
  }
}

/** An index record of a field with an exact index and a range. */
export function someIndex(changes: Partial<IndexRecord> = {}): IndexRecord {
  return {
    domain: 'default',
    kind: 'field',
    name: 'person.email',
    generation: 1,
    indexKeyId: '00112233445566ff',
    normaliser: 'email@1',
    bits: 128,
    range: 'prefix:2',
    group: null,
    state: 'active',
    ...changes,
  }
}

/** A subject key with random identity; see {@link someKey}. */
export function someSubjectKey(changes: Partial<SubjectKeyRecord> = {}): SubjectKeyRecord {
  return {
    id: randomBytes(8).toString('hex'),
    domain: 'default',
    subjectRef: randomBytes(17),
    kekId: randomBytes(8).toString('hex'),
    wrapped: randomBytes(40),
    createdAt: new Date('2026-03-04T05:06:07.089Z'),
    ...changes,
  }
}

/** A tombstone of a key that need not exist. */
export function someTombstone(changes: Partial<Tombstone> = {}): Tombstone {
  return {
    id: randomBytes(8).toString('hex'),
    domain: 'default',
    destroyedAt: new Date('2026-04-05T06:07:08.090Z'),
    actor: '',
    reason: '',
    ...changes,
  }
}
