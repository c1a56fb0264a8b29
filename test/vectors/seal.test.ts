import { afterEach, expect, test, vi } from 'vitest'
import { randomBytes } from '../../src/crypto/random'
import { encodeValue } from '../../src/envelope/codec'
import { sealRecord, sealRecordByProvider } from '../../src/envelope/seal'
import {
  applicationValue,
  contextOf,
  dataKey,
  hex,
  readVectors,
  rowIdOf,
  subjectKey,
  type VectorField,
  type VectorRow,
  vectorProviderKeys,
} from './load'

// Sealing is random through its DEK alone: given the DEK of a vector, it must give its bytes.
vi.mock('../../src/crypto/random')
afterEach(() => vi.resetAllMocks())

interface SealCase {
  name: string
  field: VectorField
  row: VectorRow
  value: unknown
  keyId: string
  dek: string
  /** With b3: what the provider answers. */
  wrappedDek?: string
  envelope: string
}

const { open, subject, provider } =
  readVectors<Record<'open' | 'subject' | 'provider', SealCase[]>>('envelopes.json')

function inputOf({ field, row, value }: SealCase) {
  const encoded = encodeValue(field.type, applicationValue(field.type, value), 'f')
  return { field: contextOf(field), encoded, rowId: rowIdOf(row) }
}

test.each(open)('$name', (vector) => {
  vi.mocked(randomBytes).mockReturnValueOnce(hex(vector.dek))
  const [envelope] = sealRecord(dataKey(vector.keyId), [inputOf(vector)])
  expect(envelope?.toString('hex')).toBe(vector.envelope)
})

test.each(subject)('$name', (vector) => {
  vi.mocked(randomBytes).mockReturnValueOnce(hex(vector.dek))
  const [envelope] = sealRecord(subjectKey(vector.keyId), [inputOf(vector)])
  expect(envelope?.toString('hex')).toBe(vector.envelope)
})

test.each(provider)('$name', async (vector) => {
  const drawn = hex(vector.dek)
  vi.mocked(randomBytes).mockReturnValueOnce(drawn)
  const row = vectorProviderKeys.find(({ id }) => id === vector.keyId)!
  const wrapDek = async (dek: Uint8Array) => {
    expect(Buffer.from(dek)).toEqual(hex(vector.dek))
    return hex(vector.wrappedDek!)
  }
  const key = { ...row, idBytes: hex(row.id), wrapDek }
  const [envelope] = await sealRecordByProvider(key, [inputOf(vector)])
  expect(envelope?.toString('hex')).toBe(vector.envelope)
  expect(drawn).toEqual(Buffer.alloc(32))
})

test('a record of several fields draws one DEK, and zeroes it', () => {
  const record = open.filter(({ name }) => name.startsWith('record,'))
  const dek = hex(record[0]!.dek)
  vi.mocked(randomBytes).mockReturnValueOnce(dek)
  const envelopes = sealRecord(dataKey(record[0]!.keyId), record.map(inputOf))
  expect(envelopes.map((envelope) => envelope.toString('hex'))).toEqual(
    record.map(({ envelope }) => envelope),
  )
  expect(record).toHaveLength(3)
  expect(randomBytes).toHaveBeenCalledOnce()
  expect(dek).toEqual(Buffer.alloc(32))
})
