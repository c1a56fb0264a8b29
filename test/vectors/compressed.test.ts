import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { decompress } from '../../src/envelope/compression'
import { fromText } from '../../src/envelope/format'
import { createOpener } from '../../src/envelope/open'
import type { MortiseErrorCode } from '../../src/errors'
import {
  applicationValue,
  contextOf,
  hex,
  openingKeys,
  readVectors,
  rowIdOf,
  type VectorField,
  type VectorRow,
} from './load'

interface CompressedCase {
  name: string
  field: VectorField
  row: VectorRow
  value: unknown
  content: string
  encoded: string
  envelope: string
  text: string
}

type Refusal = Pick<CompressedCase, 'name' | 'field' | 'row' | 'envelope'> & {
  code: MortiseErrorCode
}

const cases = readVectors<{ open: CompressedCase[]; mustFail: Refusal[] }>('compressed.json')

function open({ field, row, envelope }: Refusal | CompressedCase): unknown {
  return createOpener(openingKeys()).open(hex(envelope), contextOf(field), rowIdOf(row))
}

describe('compressed fields', () => {
  test.each(cases.open)('$name', (vector) => {
    const { type } = vector.field
    const value = applicationValue(type, vector.value)
    expect(open(vector)).toStrictEqual(value)
    expect(encodeValue(type, value, 'f').toString('hex')).toBe(vector.encoded)
    expect(decompress(type, hex(vector.content))).toEqual(hex(vector.encoded))
    expect(fromText(vector.text)).toEqual(hex(vector.envelope))
  })

  test.each(cases.mustFail)('must fail: $name -> $code', (vector) => {
    expect(() => open(vector)).toThrow(expect.objectContaining({ code: vector.code }))
  })
})
