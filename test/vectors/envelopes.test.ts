import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { aadOf } from '../../src/envelope/field-context'
import { fromText, toText } from '../../src/envelope/format'
import { inspectEnvelope } from '../../src/envelope/inspect'
import { createOpener, keyNameOf } from '../../src/envelope/open'
import { rewrapEnvelope, rewrapKeyBlock } from '../../src/envelope/rewrap'
import type { MortiseErrorCode } from '../../src/errors'
import {
  applicationValue,
  contextOf,
  dataKey,
  hex,
  openingKey,
  readVectors,
  rowIdOf,
  type VectorField,
  type VectorRow,
} from './load'

interface OpenCase {
  name: string
  field: VectorField
  row: VectorRow
  value: unknown
  keyId: string
  rowId: string | null
  encoded: string
  plaintext: string
  aad: string
  envelope: string
  text: string
}

interface ReservedCase {
  name: string
  keyId: string
  flags: number
  wrappedDekBytes: number
  commitment: string
  ciphertextBytes: number
  envelope: string
}

interface RewrapCase {
  name: string
  from: string
  to: string
  envelope: string
  rewrapped: string
}

interface Failures {
  open: { name: string; envelope: string; field: VectorField; row: VectorRow; code: Code }[]
  text: { name: string; text: string; code: Code }[]
  rewrap: { name: string; envelope: string; from: string; to: string; code: Code }[]
}

type Code = MortiseErrorCode

const { open, reserved } = readVectors<{ open: OpenCase[]; reserved: ReservedCase[] }>(
  'envelopes.json',
)
const { rewraps } = readVectors<{ rewraps: RewrapCase[] }>('rewraps.json')
const failures = readVectors<Failures>('must-fail.json')

describe('envelopes that open', () => {
  test.each(open)('$name', (vector) => {
    const field = contextOf(vector.field)
    const rowId = rowIdOf(vector.row)
    const value = applicationValue(field.type, vector.value)
    const envelope = hex(vector.envelope)
    expect(rowId?.toString('hex') ?? null).toBe(vector.rowId)
    expect(aadOf(field, field.pad !== null, rowId).toString('hex')).toBe(vector.aad)
    expect(encodeValue(field.type, value, 'f').toString('hex')).toBe(vector.encoded)
    expect(createOpener(openingKey).open(envelope, field, rowId)).toStrictEqual(value)
    expect(toText(envelope)).toBe(vector.text)
    expect(fromText(vector.text)).toEqual(envelope)
    expect(keyNameOf(envelope)).toEqual({ id: vector.keyId, kind: 'data' })
    expect(inspectEnvelope(vector.text)).toMatchObject({
      format: 1,
      flags: { rowBound: field.rowBound, padded: field.pad !== null, subjectKey: false },
      keyId: vector.keyId,
      wrappedDekBytes: 40,
      ciphertextBytes: vector.plaintext.length / 2,
      overheadBytes: 98,
      text: true,
    })
  })

  test('all with one opener, as a page', () => {
    const opener = createOpener(openingKey)
    for (const { envelope, field, row, value } of open) {
      const opened = opener.open(hex(envelope), contextOf(field), rowIdOf(row))
      expect(opened).toStrictEqual(applicationValue(field.type, value))
    }
  })
})

describe('reserved flags', () => {
  test.each(reserved)('$name: inspected, not opened', (vector) => {
    const envelope = hex(vector.envelope)
    const { flags, ...info } = inspectEnvelope(envelope)
    const bits = [flags.rowBound, flags.padded, flags.subjectKey, flags.providerWrapped]
    expect(bits.reduce((sum, bit, index) => sum + (bit ? 1 << index : 0), 0)).toBe(vector.flags)
    expect(info).toMatchObject({
      keyId: vector.keyId,
      wrappedDekBytes: vector.wrappedDekBytes,
      commitment: vector.commitment,
      ciphertextBytes: vector.ciphertextBytes,
    })
  })
})

describe('rewraps', () => {
  test.each(rewraps)('$name', ({ envelope, from, to, rewrapped }) => {
    const head = hex(envelope).subarray(0, 82)
    expect(rewrapEnvelope(hex(envelope), dataKey(from), dataKey(to))).toEqual(hex(rewrapped))
    expect(rewrapKeyBlock(head, dataKey(from), dataKey(to))).toEqual(hex(rewrapped.slice(0, 100)))
  })
})

describe('must fail', () => {
  test.each(failures.open)('open: $name -> $code', ({ envelope, field, row, code }) => {
    const opener = createOpener(openingKey)
    const attempt = () => opener.open(hex(envelope), contextOf(field), rowIdOf(row))
    expect(attempt).toThrow(expect.objectContaining({ name: 'MortiseError', code }))
  })

  test.each(failures.text)('text: $name -> $code', ({ text, code }) => {
    expect(() => inspectEnvelope(text)).toThrow(expect.objectContaining({ code }))
  })

  test.each(failures.rewrap)('rewrap: $name -> $code', ({ envelope, from, to, code }) => {
    const attempt = () => rewrapEnvelope(hex(envelope), dataKey(from), dataKey(to))
    expect(attempt).toThrow(expect.objectContaining({ code }))
  })

  test('every failure to decrypt is the same error', () => {
    const opener = createOpener(openingKey)
    const errors = failures.open
      .filter(({ code }) => code === 'ERR_DECRYPTION_FAILED')
      .map(({ envelope, field, row }) => {
        try {
          return opener.open(hex(envelope), contextOf(field), rowIdOf(row))
        } catch (error) {
          return { ...(error as Error), message: (error as Error).message }
        }
      })
    expect(errors.length).toBeGreaterThan(150)
    expect(new Set(errors.map((error) => JSON.stringify(error))).size).toBe(1)
    expect(errors[0]).toStrictEqual({
      name: 'MortiseError',
      code: 'ERR_DECRYPTION_FAILED',
      field: 'Vector.field',
      retryable: false,
      message: expect.stringContaining('Vector.field could not be opened'),
    })
  })
})
