import { describe, expect, it } from 'vitest'
import { tokenOf } from '../../src/blind-index/token'
import { secretKey } from '../../src/crypto/secret-key'
import { defineField } from '../../src/field'
import { indexValues } from '../../src/rotation/index-values'

const field = defineField({
  name: 'Person.email',
  fieldId: 'person.email',
  type: 'string',
  exact: { normalize: 'email' },
  range: { prefix: 2 },
})
const tokenKey = { key: secretKey(Buffer.alloc(32, 7)), generation: 3, bits: 128 }
const both = { field, hasToken: true, hasBucket: true, tokenKey }
/** Its domain has no ASCII form. */
const REFUSED = 'ada@xn--é.example'

const tokenFor = (value: string) => tokenOf(tokenKey, field.encodeForToken(value))

describe('what index columns must hold for values', () => {
  it('is the token and the bucket of each, around values that have none', () => {
    const values = ['a@x.example', REFUSED, 'B@x.example', 'c@x.example', 5, 'd@x.example']
    expect(indexValues(both, values)).toEqual([
      { token: tokenFor('a@x.example'), bucket: 'a@' },
      { code: 'ERR_VALUE_INVALID' },
      { token: tokenFor('b@x.example'), bucket: 'B@' },
      { token: tokenFor('c@x.example'), bucket: 'c@' },
      { code: 'ERR_VALUE_INVALID' },
      { token: tokenFor('d@x.example'), bucket: 'd@' },
    ])
  })

  it('is nothing for an index that is not made', () => {
    const [token] = indexValues({ ...both, hasBucket: false }, ['a@x.example'])
    const [bucket] = indexValues({ ...both, hasToken: false, tokenKey: null }, [REFUSED])
    expect(token).toEqual({ token: tokenFor('a@x.example'), bucket: null })
    expect(bucket).toEqual({ token: null, bucket: 'ad' })
  })

  it('names what has no token also where no key makes any', () => {
    expect(indexValues({ ...both, tokenKey: null }, [REFUSED, 'a@x.example'])).toEqual([
      { code: 'ERR_VALUE_INVALID' },
      { token: null, bucket: 'a@' },
    ])
  })
})
