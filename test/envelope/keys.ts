import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { secretKey } from '../../src/crypto/secret-key'
import { createFieldContext, type FieldContext } from '../../src/envelope/field-context'
import { MortiseError, type MortiseErrorCode } from '../../src/errors'
import type { DataKey } from '../../src/keys/access'

/** A key that follows from its name; never for real use. */
export function testKey(name: string, domain = 'default'): DataKey {
  const digest = (text: string) => createHash('sha256').update(`${text} ${name}`).digest()
  const id = digest('test key id').toString('hex', 0, 8)
  const dekWrapKey = secretKey(digest('test key'))
  return { id, idBytes: Buffer.from(id, 'hex'), domain, version: 1, dekWrapKey }
}

/** Finds keys as a keyring does. */
export function keysOf(...keys: DataKey[]): (id: string) => DataKey {
  return (id) => {
    const key = keys.find((candidate) => candidate.id === id)
    if (key === undefined) throw new MortiseError('ERR_KEY_NOT_FOUND', `no key ${id}`)
    return key
  }
}

type Options = Partial<Parameters<typeof createFieldContext>[0]>

export function testField(options: Options = {}): FieldContext {
  const { fieldId = 'person.name' } = options
  const name = 'Person.name'
  return createFieldContext({ name, domain: 'default', type: 'string', ...options, fieldId })
}

/** Matches a MortiseError by its code. */
export const refusal = (code: MortiseErrorCode): unknown =>
  expect.objectContaining({ name: 'MortiseError', code })
