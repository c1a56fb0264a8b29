import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type SecretKey, secretKey } from '../../src/crypto/secret-key'
import { createFieldContext, type FieldContext } from '../../src/envelope/field-context'
import { MortiseError, type MortiseErrorCode } from '../../src/errors'
import type {
  DataKey,
  KeyKind,
  OpeningKey,
  ProviderDeks,
  ProviderKey,
  SubjectKey,
} from '../../src/keys/access'

/** A key that follows from its name; never for real use. */
export function testKey(name: string, domain = 'default'): DataKey {
  const digest = (text: string) => createHash('sha256').update(`${text} ${name}`).digest()
  const id = digest('test key id').toString('hex', 0, 8)
  const dekWrapKey = secretKey(digest('test key'))
  return { id, idBytes: Buffer.from(id, 'hex'), domain, version: 1, dekWrapKey }
}

/** A key of the subject `name`, whose subject_ref follows from it as well. */
export function testSubjectKey(name: string, domain = 'default'): SubjectKey {
  const subjectRef = createHash('sha256').update(`test ref ${name}`).digest().subarray(0, 17)
  const { version: _, ...key } = testKey(`subject ${name}`, domain)
  return { ...key, subjectRef }
}

/** A provider that wraps DEKs by handing out random blobs. */
export interface TestProvider {
  readonly key: ProviderKey
  /** Everything that it has wrapped. */
  readonly deks: ProviderDeks & { readonly deks: Map<string, SecretKey> }
}

/** @param blobBytes - length of every blob, 1 to 1024 */
export function testProvider(name: string, blobBytes = 184, domain = 'default'): TestProvider {
  const { dekWrapKey: _, ...key } = testKey(`provider ${name}`, domain)
  const deks = new Map<string, SecretKey>()
  const wrapDek = async (dek: Uint8Array) => {
    const blob = randomBytes(blobBytes)
    deks.set(blob.toString('latin1'), secretKey(dek))
    return blob
  }
  return { key: { ...key, wrapDek }, deks: { id: key.id, domain, deks } }
}

const kindOf = (key: OpeningKey): KeyKind =>
  'deks' in key ? 'provider' : 'subjectRef' in key ? 'subject' : 'data'

/** Finds keys as a keyring does. */
export function keysOf(...keys: OpeningKey[]): (id: string, kind: KeyKind) => OpeningKey {
  return (id, kind) => {
    const key = keys.find((candidate) => candidate.id === id && kindOf(candidate) === kind)
    if (key === undefined) throw new MortiseError('ERR_KEY_NOT_FOUND', `no ${kind} key ${id}`)
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
