import { expect } from 'vitest'
import { refused, type Section, supported } from '../matrix'

function counts(
  entryPoint: string,
  where: string,
  parameters: object,
  expected: number,
  note = '',
) {
  return supported(
    entryPoint,
    async ({ builder }) => {
      expect(await builder().where(where, parameters).getCount()).toBe(expected)
      expect(await builder().where(where, parameters).getMany()).toHaveLength(expected)
    },
    note,
  )
}

function refusedText(entryPoint: string, where: string, parameters: object, note: string) {
  return refused(
    entryPoint,
    'ERR_QUERY_UNSUPPORTED',
    ({ builder }) => builder().where(where, parameters).getMany(),
    note,
  )
}

const e = 'p1@x.org'

export const text: Section = {
  title: 'Conditions as SQL text',
  rows: [
    counts('comparison with a parameter or literal', `p.email = :e AND p.ward = 'A'`, { e }, 1),
    counts('quoted and bare names', `"p"."email" = :e OR income > 14`, { e }, 2),
    counts(
      'IN, NOT IN, ANY, ALL',
      'p.email IN (:...l) AND p.email <> ALL(:m)',
      { l: [e], m: [''] },
      1,
    ),
    counts('ranges, BETWEEN', 'p.income BETWEEN 7 AND 14 OR p.income > :i', { i: 20 }, 3),
    counts('LIKE after text', 'p.surname LIKE :s', { s: 'Abr%' }, 1, 'range index of a prefix'),
    counts('AND, OR, NOT, parentheses', 'NOT (p.income > 7 OR p.email <> :e)', { e }, 1),
    counts('CASE', `CASE WHEN p.email = :e THEN p.id = 1 ELSE false END`, { e }, 1, 'exact tokens'),
    counts('IS NULL, IS NOT NULL', 'p.income IS NOT NULL', {}, 3),
    supported(
      'ON of a join',
      async ({ builder }) => {
        const join = (on: string) =>
          builder().innerJoin('p.notes', 'n', on, { t: 'n11' }).getCount()
        expect(await join('n.text = :t')).toBe(1)
        expect(await join('n.weight > 5')).toBe(1)
      },
      'exact tokens; ranges in inner joins',
    ),
    supported(
      'HAVING, GROUP BY, COUNT(DISTINCT …)',
      async ({ builder }) => {
        const groups = builder().select('COUNT(*)', 'n').groupBy('p.email')
        expect(await groups.having('p.email = :e', { e }).getRawMany()).toEqual([{ n: '1' }])
        const distinct = builder().select('COUNT(DISTINCT p.email)', 'n')
        expect(await distinct.getRawOne()).toEqual({ n: '3' })
      },
      'exact tokens, without selecting the property',
    ),
    supported(
      'comparison of two columns',
      async ({ builder }) => {
        const twin = builder().innerJoin('Patient', 'q', 'q.email = p.email AND q.id = p.id')
        expect(await twin.getCount()).toBe(3)
      },
      'of one group, or of the same property',
    ),
    refusedText('functions, casts, operators', 'lower(p.email) = :e', { e }, 'a normaliser'),
    refusedText('LIKE before text, ILIKE', 'p.surname ILIKE :s', { s: 'a%' }, 'a normaliser'),
    refusedText('a range without a range index', 'p.email > :e', { e }, 'declare range'),
    refusedText('NULL, an empty list', 'p.email IN (:...l)', { l: [] }, 'IS NULL; leave it out'),
    refusedText('a parameter without a value', 'p.email = :e', {}, 'set it'),
    refused(
      'a range in LEFT JOIN, CASE, HAVING or a subquery',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().leftJoin('p.notes', 'n', 'n.weight > 5').getMany(),
      'only WHERE can open rows',
    ),
    refused(
      'DISTINCT, UNION over it',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().select('p.email').distinct(true).getRawMany(),
      'select the primary key as well',
    ),
    refused(
      'an encrypted column of a subquery or common table expression',
      'ERR_QUERY_UNSUPPORTED',
      ({ dataSource }) =>
        dataSource
          .createQueryBuilder()
          .select('s.p_id', 'id')
          .from((q) => q.select('p').from('Patient', 'p'), 's')
          .where('s.p_email = :e', { e })
          .getRawMany(),
      'put the condition into it',
    ),
    refused(
      'subqueries by hand that compare ciphertext',
      'ERR_QUERY_UNSUPPORTED',
      ({ notes }) =>
        notes
          .createQueryBuilder('n')
          .where(`n.patientId IN (SELECT id FROM patient WHERE lower(email) = 'x')`)
          .getMany(),
      'compare the column itself',
    ),
  ],
}
