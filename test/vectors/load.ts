import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { secretKey } from '../../src/crypto/secret-key'
import { createFieldContext, type FieldContext } from '../../src/envelope/field-context'
import { encodeRowId, type RowIdKind } from '../../src/envelope/row-id'
import type { ValueType } from '../../src/envelope/value-type'
import { MortiseError } from '../../src/errors'
import type { DataKey } from '../../src/keys/access'

/** A field as the vector files write it. */
export interface VectorField {
  domain: string
  fieldId: string
  type: ValueType
  rowBound: boolean
  pad: number | null
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

/** A key by id whatever its state; for rewraps. */
export function dataKey(id: string): DataKey {
  const key = vectorKeys.find((candidate) => candidate.id === id)
  if (!key?.dekWrapKey) throw new MortiseError('ERR_KEY_NOT_FOUND', `no data key ${id}`)
  return {
    id,
    idBytes: hex(id),
    domain: key.domain,
    version: key.version,
    dekWrapKey: secretKey(hex(key.dekWrapKey)),
  }
}

/** A key by id under the rules of opening, as a keyring applies them. */
export function openingKey(id: string): DataKey {
  const key = dataKey(id)
  if (vectorKeys.some((candidate) => candidate.id === id && candidate.state === 'disabled')) {
    throw new MortiseError('ERR_KEY_STATE', `key ${id} is disabled`)
  }
  return key
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
