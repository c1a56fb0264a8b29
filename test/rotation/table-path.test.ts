import { expect, it } from 'vitest'
import { tableLabel, tablePath } from '../../src/rotation/table-path'

const TABLES = [
  [null, 'patient', 'patient', '"patient"'],
  ['clinic', 'patient', 'clinic.patient', '"clinic"."patient"'],
  [null, 'clinic.patient', '"clinic.patient"', '"clinic.patient"'],
  ['a.b', 'c', '"a.b".c', '"a.b"."c"'],
  ['a', 'b.c', 'a."b.c"', '"a"."b.c"'],
  [null, 'a"."b', '"a"".""b"', '"a"".""b"'],
] as const

it.each(TABLES)(
  '%s, %s: is named %s in reports and %s in statements',
  (schema, name, label, path) => {
    expect(tableLabel({ schema, name })).toBe(label)
    expect(tablePath({ schema, name })).toBe(path)
  },
)

it('no two tables share a label', () => {
  expect(new Set(TABLES.map(([, , label]) => label)).size).toBe(TABLES.length)
})
