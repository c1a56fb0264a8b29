import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { aadOf } from '../../src/envelope/field-context'
import { fromText, toText } from '../../src/envelope/format'
import { inspectEnvelope } from '../../src/envelope/inspect'
import { createOpener, keyNameOf } from '../../src/envelope/open'
import type { MortiseErrorCode } from '../../src/errors'
import {
  applicationValue,
  contextOf,
  hex,
  openingKeys,
  readVectors,
  rowIdOf,
  type Unwrap,
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
  dek: string
  /** With b2. */
  subjectRef?: string
  /** With b3. */
  wrappedDek?: string
}

interface Failure {
  name: string
  envelope: string
  field: VectorField
  row: VectorRow
  /** Of subject: null where none is given. */
  subjectRef?: string | null
  /** Of provider: null where all of them are meant. */
  unwraps?: Unwrap[] | null
  code: MortiseErrorCode
}

interface Failures {
  open: Failure[]
  subject: Failure[]
  provider: Failure[]
  providerUnwraps: Unwrap[]
  text: { name: string; text: string; code: MortiseErrorCode }[]
}

type Kind = 'open' | 'subject' | 'provider'

const cases = readVectors<Record<Kind, OpenCase[]>>('envelopes.json')
const all = [...cases.open, ...cases.subject, ...cases.provider]
const unwraps = cases.provider.map(({ keyId, wrappedDek = '', dek }) => ({
  keyId,
  wrappedDek,
  dek,
}))
const failures = readVectors<Failures>('must-fail.json')
const refusals = [...failures.open, ...failures.subject, ...failures.provider]

function attempt({ envelope, field, row, subjectRef, unwraps: own }: Failure): unknown {
  const opener = createOpener(openingKeys(own ?? failures.providerUnwraps))
  const ref = subjectRef === null || subjectRef === undefined ? undefined : hex(subjectRef)
  return opener.open(hex(envelope), contextOf(field), rowIdOf(row), ref)
}

describe('envelopes that open', () => {
  test.each(all)('$name', (vector) => {
    const field = contextOf(vector.field)
    const rowId = rowIdOf(vector.row)
    const value = applicationValue(field.type, vector.value)
    const envelope = hex(vector.envelope)
    expect(rowId?.toString('hex') ?? null).toBe(vector.rowId)
    expect(aadOf(field, field.pad !== null, rowId).toString('hex')).toBe(vector.aad)
    expect(encodeValue(field.type, value, 'f').toString('hex')).toBe(vector.encoded)
    expect(openOne(vector)).toStrictEqual(value)
    expect(toText(envelope)).toBe(vector.text)
    expect(fromText(vector.text)).toEqual(envelope)
  })

  test.each(all)('$name: described without a key', (vector) => {
    const { subjectRef, wrappedDek } = vector
    const kind = subjectRef ? 'subject' : wrappedDek ? 'provider' : 'data'
    const wrappedDekBytes = wrappedDek ? wrappedDek.length / 2 : 40
    expect(keyNameOf(hex(vector.envelope))).toEqual({ id: vector.keyId, kind })
    expect(inspectEnvelope(vector.text)).toMatchObject({
      format: 1,
      flags: {
        rowBound: vector.field.rowBound,
        padded: vector.field.pad !== null,
        subjectKey: kind === 'subject',
        providerWrapped: kind === 'provider',
      },
      keyId: vector.keyId,
      wrappedDekBytes,
      ciphertextBytes: vector.plaintext.length / 2,
      overheadBytes: 58 + wrappedDekBytes + (kind === 'provider' ? 2 : 0),
      text: true,
    })
  })

  test('all with one opener, as a page of all kinds', () => {
    const opener = createOpener(openingKeys(unwraps))
    for (const vector of all) {
      expect(openOne(vector, opener)).toStrictEqual(
        applicationValue(vector.field.type, vector.value),
      )
    }
  })

  function openOne(vector: OpenCase, opener = createOpener(openingKeys(unwraps))): unknown {
    const ref = vector.subjectRef === undefined ? undefined : hex(vector.subjectRef)
    return opener.open(hex(vector.envelope), contextOf(vector.field), rowIdOf(vector.row), ref)
  }
})

describe('must fail', () => {
  test.each(refusals)('open: $name -> $code', (vector) => {
    expect(() => attempt(vector)).toThrow(
      expect.objectContaining({ name: 'MortiseError', code: vector.code }),
    )
  })

  test.each(failures.text)('text: $name -> $code', ({ text, code }) => {
    expect(() => inspectEnvelope(text)).toThrow(expect.objectContaining({ code }))
  })

  test('every failure to decrypt is the same error', () => {
    const errors = refusals
      .filter(({ code }) => code === 'ERR_DECRYPTION_FAILED')
      .map((vector) => {
        try {
          return attempt(vector)
        } catch (error) {
          return { ...(error as Error), message: (error as Error).message }
        }
      })
    expect(errors.length).toBeGreaterThan(400)
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
