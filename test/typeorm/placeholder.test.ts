import { describe, expect, it } from 'vitest'
import { defineField } from '../../src/field'
import { Placeholder, withoutDigests } from '../../src/typeorm/placeholder'

const field = defineField({
  name: 'Person.email',
  fieldId: 'person.email',
  type: 'string',
  exact: true,
})
const placeholder = (value: string) => Placeholder.bound(field, 'token', value)

describe('the JSON of a placeholder', () => {
  it('is a digest by which equal values are equal, and shows none', () => {
    const [one, same, other] = ['ada', 'ada', 'eve'].map((v) => JSON.stringify(placeholder(v)))
    expect(one).toMatch(/^"\[encrypted Person\.email [\w-]{16}\]"$/)
    expect(same).toBe(one)
    expect(other).not.toBe(one)
  })

  it('tells nothing where it is dropped, and is a digest again behind that', () => {
    const digest = JSON.stringify(placeholder('ada'))
    expect(withoutDigests(() => JSON.stringify(placeholder('ada')))).toBe(
      '"[encrypted Person.email]"',
    )
    expect(JSON.stringify(placeholder('ada'))).toBe(digest)
    const failing = () => {
      throw new Error('no')
    }
    expect(() => withoutDigests(failing)).toThrow('no')
    expect(JSON.stringify(placeholder('ada'))).toBe(digest)
  })
})
