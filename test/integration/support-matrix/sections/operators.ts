import {
  And,
  Any,
  ArrayContains,
  Between,
  Equal,
  type FindOperator,
  ILike,
  In,
  IsNull,
  LessThan,
  LessThanOrEqual,
  Like,
  MoreThan,
  MoreThanOrEqual,
  Not,
  Or,
  Raw,
} from 'typeorm'
import { expect } from 'vitest'
import { refused, type Section, supported } from '../matrix'
import type { World } from '../world'

/** Ids of the patients that find options choose. */
const ids = async ({ patients }: World, where: object) =>
  (await patients.find({ where, order: { id: 'ASC' } })).map(({ id }) => id)

function chooses(entryPoint: string, where: () => object, expected: number[], note = '') {
  return supported(
    entryPoint,
    async (world) => {
      expect(await ids(world, where())).toEqual(expected)
      expect(await world.patients.count({ where: where() })).toBe(expected.length)
    },
    note,
  )
}

function refusedOn(entryPoint: string, where: () => object, note: string) {
  return refused(entryPoint, 'ERR_QUERY_UNSUPPORTED', (world) => ids(world, where()), note)
}

const mail = (operator: FindOperator<string>) => ({ email: operator })
const income = (operator: FindOperator<number>) => ({ income: operator })

export const operators: Section = {
  title: 'Find operators on an encrypted property',
  rows: [
    chooses('a value, Equal', () => mail(Equal('P1@x.org')), [1], 'exact or range index'),
    chooses('Not', () => mail(Not('p1@x.org')), [2, 3]),
    chooses('Not of a truncated token', () => ({ surname: Not('Abel') }), [2, 3]),
    chooses('In, Any', () => mail(In(['p1@x.org', 'p3@x.org'])), [1, 3]),
    supported('Any', async (world) => {
      expect(await ids(world, mail(Any(['p2@x.org']) as never))).toEqual([2])
    }),
    chooses('In, empty', () => mail(In([])), []),
    chooses('IsNull, Not(IsNull)', () => income(Not(IsNull())), [1, 2, 3]),
    chooses('MoreThan, MoreThanOrEqual', () => income(MoreThan(7)), [2, 3], 'range index'),
    chooses('MoreThanOrEqual', () => income(MoreThanOrEqual(14)), [2, 3], 'range index'),
    chooses('LessThan, LessThanOrEqual', () => income(LessThan(14)), [1], 'range index'),
    chooses('LessThanOrEqual', () => income(LessThanOrEqual(14)), [1, 2], 'range index'),
    chooses('Between', () => income(Between(7, 14)), [1, 2], 'range index'),
    chooses('And, Or', () => income(And(MoreThan(1), Or(LessThan(8), Equal(21)))), [1, 3]),
    chooses("Like('prefix%')", () => ({ surname: Like('Abr%') }), [2], 'range index of a prefix'),
    chooses('Like with wildcards after text', () => ({ surname: Like('A_e%') }), [1]),
    chooses('an array of alternatives', () => [{ email: 'p1@x.org' }, { income: 21 }], [1, 3]),
    chooses('beside plain conditions', () => [{ ward: 'B' }, { ward: 'A', income: 7 }], [1, 3]),
    refusedOn(
      "Like('%text')",
      () => ({ surname: Like('%el') }),
      'the pattern must begin with text',
    ),
    refusedOn('Like without a prefix index', () => mail(Like('p%')), 'declare range: { prefix }'),
    refusedOn(
      'ILike',
      () => ({ surname: ILike('a%') }),
      'a normaliser makes equality blind to case',
    ),
    refusedOn('Raw', () => mail(Raw((alias) => `${alias} IS NOT NULL`)), 'use the operators above'),
    refusedOn(
      'ArrayContains and its kin',
      () => mail(ArrayContains(['a']) as never),
      'json is opaque',
    ),
    refusedOn('a range without a range index', () => mail(MoreThan('a')), 'declare range'),
    supported(
      'operators are not changed',
      async (world) => {
        const two = In(['P1@x.org', 'p2@x.org'])
        for (let run = 0; run < 2; run++) expect(await ids(world, mail(two))).toEqual([1, 2])
        expect(two.value).toEqual(['P1@x.org', 'p2@x.org'])
      },
      'an In([…]) may be used twice',
    ),
  ],
}
