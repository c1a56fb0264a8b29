import { type CandidateQuery, type CandidateSources, SURE } from './candidate-query'
import { columnSql } from './compile-predicate'
import type { OrderKey } from './plan'
import type { SortKey } from './sort-rows'

/** The window of a page; `take` is undefined for "to the end". */
export interface Window {
  readonly skip: number
  readonly take: number | undefined
}

/** How the candidates are ordered: by SQL down to the first bucket, then in memory, then by SQL. */
export interface CandidateOrder {
  /** The SQL terms whose peers form a group: all that SQL can decide before a value must be opened. */
  readonly group: string
  /** The remaining SQL terms, within a group. */
  readonly within: string
  /** Ranks of plain keys that stand between two encrypted ones. */
  readonly ranks: readonly string[]
  readonly inMemory: readonly SortKey[]
}

const GROUP = 'mortise$group'

/** Reads the order of a query. Without one, rows that surely match come first: a page may need no other. */
export function orderOf({ plan, extras, keys, builder }: CandidateQuery): CandidateOrder {
  const terms = plan.order.map((key) => term(extras.nameOf(key.sql) as string, key))
  const primary = keys.map((key) => `"${key}"`)
  const first = plan.order.findIndex(({ place }) => place)
  if (first < 0) {
    const asked = terms.length > 0 ? terms : [`"${SURE}" DESC`]
    return { group: [...asked, ...primary].join(', '), within: '', ranks: [], inMemory: [] }
  }
  const last = plan.order.findLastIndex(({ place }) => place)
  const ranks: string[] = []
  const inMemory = plan.order.slice(first, last + 1).map((key, index): SortKey => {
    const { place, descending, nullsFirst } = key
    if (place) {
      const sql = columnSql({ alias: place.alias, builder }, place.column.main)
      const type = place.column.field.type
      return { key: extras.nameOf(sql) as string, type, descending, nullsFirst }
    }
    const name = `mortise$rank${index}`
    ranks.push(`dense_rank() OVER (ORDER BY ${terms[first + index]}) AS "${name}"`)
    return { key: name, type: null, descending: false, nullsFirst: false }
  })
  const plain = plan.order.flatMap((key, index) => (key.place ? [] : [terms[index] as string]))
  return {
    group: terms.slice(0, first + 1).join(', '),
    within: [...plain, ...primary].join(', '),
    ranks,
    inMemory: [{ key: GROUP, type: null, descending: false, nullsFirst: false }, ...inMemory],
  }
}

/** One term of ORDER BY over a named column. */
function term(name: string, { descending, nullsFirst }: OrderKey): string {
  return `"${name}" ${descending ? 'DESC' : 'ASC'} NULLS ${nullsFirst ? 'FIRST' : 'LAST'}`
}

/**
 * The statement of a page: the candidates of the groups that it lies in, and how many rows surely match
 * before each, so that buckets outside of the page are neither sent nor opened.
 *
 * @param limit - the most rows that may be sent; one more tells that there are too many
 */
export function pageSql(
  query: CandidateQuery,
  order: CandidateOrder,
  sources: CandidateSources,
  window: Window,
  limit: number | undefined,
): string {
  const { skip, take } = window
  const { group, within, ranks } = order
  const counts = [
    `dense_rank() OVER (ORDER BY ${group}) AS "${GROUP}"`,
    `count(*) FILTER (WHERE "${SURE}") OVER (ORDER BY ${group} ` +
      'GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "mortise$before"',
    `count(*) OVER (ORDER BY ${group}) AS "mortise$upto"`,
    ...ranks,
  ]
  // Several candidates of one main row make the counts too high: then every candidate is read.
  const conditions = query.multiplied
    ? []
    : [
        `("mortise$upto" > ${skip} OR NOT "${SURE}")`,
        ...(take === undefined ? [] : [`"mortise$before" < ${skip + take}`]),
      ]
  const most = query.multiplied ? undefined : limit
  return (
    `SELECT * FROM (SELECT c.*, ${counts.join(', ')} ` +
    `FROM (${candidatesSql(sources, group, window, most)}) c) w ` +
    (conditions.length > 0 ? `WHERE ${conditions.join(' AND ')} ` : '') +
    `ORDER BY "${GROUP}"${within === '' ? '' : `, ${within}`}` +
    (most === undefined ? '' : ` LIMIT ${most + 1}`)
  )
}

/**
 * The candidates of a page: the sure ones down to the end of the group in which it ends, read in the
 * order of the bucket's index and no further, so that a page costs its rows, those before it and one
 * bucket, however large the table is; and those that have to be opened.
 *
 * More rows than `skip + most` are too many, whichever they are: at most `skip` of them come before the
 * page, and what is cut off of either kind comes after all that is not.
 */
function candidatesSql(
  { sure, undecided }: CandidateSources,
  group: string,
  { skip, take }: Window,
  most: number | undefined,
): string {
  const all = (isSure: boolean, sql: string) => `SELECT ${isSure} AS "${SURE}", s.* FROM (${sql}) s`
  const parts = []
  if (most === undefined || take === undefined) {
    if (sure !== undefined) parts.push(all(true, sure))
    if (undecided !== undefined) parts.push(all(false, undecided))
  } else {
    const limit = `LIMIT ${skip + most + 1}`
    if (sure !== undefined) {
      const groups = `${all(true, sure)} ORDER BY ${group} FETCH FIRST ${skip + take} ROWS WITH TIES`
      parts.push(`SELECT * FROM (${groups}) g ${limit}`)
    }
    if (undecided !== undefined) parts.push(`${all(false, undecided)} ORDER BY ${group} ${limit}`)
  }
  return parts.map((part) => `(${part})`).join(' UNION ALL ')
}
