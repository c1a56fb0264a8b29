import { describe, expect, it } from 'vitest'
import type { RangeOption } from '../../src/blind-index/bucket'
import { checkLeakage, type LeakageQuestion } from '../../src/blind-index/leakage-check'
import type { ValueType } from '../../src/envelope/value-type'

const FIELD = 'Patient.active'

function question(over: Partial<LeakageQuestion>): LeakageQuestion {
  return {
    field: FIELD,
    type: 'string',
    declaredValues: null,
    exact: false,
    range: undefined,
    acceptLeakage: undefined,
    ...over,
  }
}

const NEEDS_REASON: [ValueType, boolean, RangeOption | undefined][] = [
  ['boolean', true, undefined],
  ['number', false, { step: 1 }],
  ['number', true, { step: 0.01 }],
  ['bigint', false, { step: 1n }],
  ['number', false, { decimals: 3 }],
  ['date', false, { truncate: 'day' }],
  ['timestamp', false, { truncate: 'hour' }],
  ['string', false, { prefix: 4 }],
]

describe('checkLeakage', () => {
  it.each(NEEDS_REASON)('refuses %s, exact %s, range %o', (type, exact, range) => {
    expect(() => checkLeakage(question({ type, exact, range }))).toThrow(
      expect.objectContaining({
        code: 'ERR_LEAKAGE_NOT_ACCEPTED',
        field: FIELD,
        message: expect.stringMatching(/^Patient\.active: .+ in acceptLeakage why /),
      }),
    )
  })

  it.each(NEEDS_REASON)('lets %s, exact %s, range %o pass with a reason', (type, exact, range) => {
    const acceptLeakage = 'reviewed in 2026: the flag is public anyway'
    expect(() => checkLeakage(question({ type, exact, range, acceptLeakage }))).not.toThrow()
  })

  it.each(['', '          ', 'accepted', '   short    '])('takes %j for no reason', (reason) => {
    expect(() =>
      checkLeakage(question({ type: 'boolean', exact: true, acceptLeakage: reason })),
    ).toThrow(expect.objectContaining({ code: 'ERR_LEAKAGE_NOT_ACCEPTED' }))
  })

  it.each<[ValueType, boolean, RangeOption | undefined]>([
    ['boolean', false, undefined],
    ['string', true, undefined],
    ['number', false, { step: 1.5 }],
    ['bigint', false, { step: 2n }],
    ['number', false, { decimals: 2 }],
    ['date', true, { truncate: 'month' }],
    ['timestamp', false, { truncate: 'day' }],
    ['string', false, { prefix: 3 }],
    ['number', false, { edges: [1, 2, 3] }],
  ])('asks nothing of %s, exact %s, range %o', (type, exact, range) => {
    expect(() => checkLeakage(question({ type, exact, range }))).not.toThrow()
  })

  it('takes a reason where none is needed', () => {
    expect(() =>
      checkLeakage(question({ acceptLeakage: 'kept from an older declaration' })),
    ).not.toThrow()
  })

  it.each([true, 1, {}])('refuses %s as a reason', (acceptLeakage) => {
    expect(() => checkLeakage(question({ acceptLeakage: acceptLeakage as never }))).toThrow(
      expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: FIELD }),
    )
  })
})
