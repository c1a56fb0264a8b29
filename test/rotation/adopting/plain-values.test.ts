import { describe, expect, it } from 'vitest'
import { MortiseError } from '../../../src/errors'
import { codeOf } from '../../../src/rotation/adopting/plain-values'

describe('what is wrong with a value that is adopted', () => {
  it.each(['ERR_KEY_PROVIDER', 'ERR_KEY_STORE', 'ERR_CLOSED'] as const)(
    'is not %s, which concerns all of them and ends the job',
    (code) => {
      const error = new MortiseError(code, 'not now')
      expect(() => codeOf(error)).toThrow(error)
    },
  )

  it('is the code of the error, and of a foreign one that it does not fit', () => {
    expect(codeOf(new MortiseError('ERR_VALUE_TOO_LARGE', 'large'))).toBe('ERR_VALUE_TOO_LARGE')
    expect(codeOf(new TypeError('of a transformer'))).toBe('ERR_VALUE_INVALID')
  })
})
