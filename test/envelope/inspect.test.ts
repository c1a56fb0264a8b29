import { expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { toText } from '../../src/envelope/format'
import { inspectEnvelope } from '../../src/envelope/inspect'
import { encodeRowId } from '../../src/envelope/row-id'
import { sealRecord } from '../../src/envelope/seal'
import { refusal, testField, testKey } from './keys'

const key = testKey('a')
const field = testField({ rowBound: true, pad: 32 })
const input = {
  field,
  encoded: encodeValue('string', 'Ada', 'f'),
  rowId: encodeRowId('integer', 1),
}
const envelope = sealRecord(key, [input])[0]!

test('tells what an envelope shows without any key', () => {
  expect(inspectEnvelope(envelope)).toStrictEqual({
    format: 1,
    flags: { rowBound: true, padded: true, subjectKey: false, providerWrapped: false },
    keyId: key.id,
    wrappedDekBytes: 40,
    commitment: envelope.toString('hex', 50, 82),
    ciphertextBytes: 32,
    overheadBytes: 98,
    text: false,
  })
})

test('describes the text form as the bytes that it stands for', () => {
  expect(inspectEnvelope(toText(envelope))).toEqual({ ...inspectEnvelope(envelope), text: true })
})

test.each([
  [new Uint8Array(0), 'ERR_ENVELOPE_MALFORMED'],
  ['', 'ERR_ENVELOPE_MALFORMED'],
  ['mrt1.', 'ERR_ENVELOPE_MALFORMED'],
  ['mrt2.4Q', 'ERR_ENVELOPE_VERSION'],
  [Buffer.of(0xe2), 'ERR_ENVELOPE_VERSION'],
] as const)('refuses %o', (bytes, code) => {
  expect(() => inspectEnvelope(bytes)).toThrow(refusal(code))
})
