import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { secretKey } from '../../src/crypto/secret-key'
import { createFieldContext, type FieldContext } from '../../src/envelope/field-context'
import { encodeRowId, type RowIdKind } from '../../src/envelope/row-id'
import type { ValueType } from '../../src/envelope/value-type'
import { MortiseError } from '../../src/errors'
import type { DataKey, KeyKind, OpeningKey, ProviderDeks, SubjectKey } from '../../src/keys/access'

/** A field as the vector files write it. */
export interface VectorField {
  domain: string
  fieldId: string
  type: ValueType
  rowBound: boolean
  subject?: boolean
  pad: number | null
  compressed?: boolean
}

export type VectorRow = { kind: RowIdKind; value: string } | null

export interface VectorKey {
  id: string
  domain: string
  purpose: 'data' | 'index'
  version: number
  state: 'active' | 'decrypt-only' | 'disabled'
  kek: string
  inAppWrap: string
  kcv: string
  dekWrapKey: string | null
}

export const hex = (text: string): Buffer => Buffer.from(text, 'hex')

export function readVectors<T>(file: string): T {
  return JSON.parse(readFileSync(join(__dirname, file), 'utf8')) as T
}

export const { keys: vectorKeys, rootSecret } = readVectors<{
  keys: VectorKey[]
  rootSecret: string
}>('keys.json')

/** A subject key as its row of the key store holds it, and in clear. */
export interface VectorSubjectKey {
  name: string
  id: string
  domain: string
  subject: string
  subjectRef: string
  state: 'live' | 'destroyed'
  kekId: string
  key: string
  wrapped: string
  dekWrapKey: string
}

/** A key without material. */
export type VectorProviderKey = Pick<VectorKey, 'id' | 'domain' | 'version' | 'state'>

/** What the provider of a key makes of a blob. */
export interface Unwrap {
  keyId: string
  wrappedDek: string
  dek: string
}

export const { keys: vectorSubjectKeys } = readVectors<{ keys: VectorSubjectKey[] }>(
  'subject-keys.json',
)
export const { keys: vectorProviderKeys } = readVectors<{ keys: VectorProviderKey[] }>(
  'provider-keys.json',
)

const notFound = (id: string) => new MortiseError('ERR_KEY_NOT_FOUND', `no such key ${id}`)

/** A key by id whatever its state; for rewraps. */
export function dataKey(id: string): DataKey {
  const key = vectorKeys.find((candidate) => candidate.id === id)
  if (!key?.dekWrapKey) throw notFound(id)
  return {
    id,
    idBytes: hex(id),
    domain: key.domain,
    version: key.version,
    dekWrapKey: secretKey(hex(key.dekWrapKey)),
  }
}

/** A subject key by id; one that was destroyed is refused as a keyring does. */
export function subjectKey(id: string): SubjectKey {
  const key = vectorSubjectKeys.find((candidate) => candidate.id === id)
  if (key === undefined) throw notFound(id)
  if (key.state === 'destroyed') {
    throw new MortiseError('ERR_SUBJECT_SHREDDED', `subject key ${id} was destroyed`)
  }
  return {
    id,
    idBytes: hex(id),
    domain: key.domain,
    subjectRef: hex(key.subjectRef),
    dekWrapKey: secretKey(hex(key.dekWrapKey)),
  }
}

/** What the provider of a key unwraps, whatever the key's state; for rewraps. */
export function providerDeks(id: string, unwraps: readonly Unwrap[]): ProviderDeks {
  const key = vectorProviderKeys.find((candidate) => candidate.id === id)
  if (key === undefined) throw notFound(id)
  const deks = unwraps
    .filter(({ keyId }) => keyId === id)
    .map(({ wrappedDek, dek }) => [latin1(wrappedDek), secretKey(hex(dek))] as const)
  return { id, domain: key.domain, deks: new Map(deks) }
}

const latin1 = (text: string) => hex(text).toString('latin1')

/** Keys under the rules of opening, as a keyring applies them. */
export function openingKeys(
  unwraps: readonly Unwrap[] = [],
): (id: string, kind: KeyKind) => OpeningKey {
  return (id, kind) => {
    if (kind === 'subject') return subjectKey(id)
    const key = kind === 'data' ? dataKey(id) : providerDeks(id, unwraps)
    const rows = [...vectorKeys, ...vectorProviderKeys]
    if (rows.some((row) => row.id === id && row.state === 'disabled')) {
      throw new MortiseError('ERR_KEY_STATE', `key ${id} is disabled`)
    }
    return key
  }
}

export const contextOf = (field: VectorField): FieldContext =>
  createFieldContext({ name: 'Vector.field', ...field })

export const rowIdOf = (row: VectorRow): Buffer | undefined =>
  row === null ? undefined : encodeRowId(row.kind, row.value)

/** An application value from its vector form; see the description in envelopes.json. */
export function applicationValue(type: ValueType, value: unknown): unknown {
  switch (type) {
    case 'number':
      return Number(value)
    case 'bigint':
      return BigInt(value as string)
    case 'timestamp':
      return new Date(value as number)
    case 'bytes':
      return hex(value as string)
    case 'json':
      return JSON.parse(value as string)
    default:
      return value
  }
}
