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
  /** Whether the query asks for it. Without, the rows that surely match come first: a page may need no other. */
  readonly isAsked: boolean
  /** The SQL terms whose peers form a group: all that SQL can decide before a value must be opened. */
  readonly group: string
  /** The remaining SQL terms, within a group. */
  readonly within: string
  /** Ranks of plain keys that stand between two encrypted ones. */
  readonly ranks: readonly string[]
  readonly inMemory: readonly SortKey[]
}

const GROUP = 'mortise$group'

/** Reads the order of a query. */
export function orderOf({ plan, extras, keys, builder }: CandidateQuery): CandidateOrder {
  const terms = plan.order.map((key) => term(extras.nameOf(key.sql) as string, key))
  const primary = keys.map((key) => `"${key}"`)
  const first = plan.order.findIndex(({ place }) => place)
  const isAsked = terms.length > 0
  if (first < 0) {
    const group = [...(isAsked ? terms : [`"${SURE}" DESC`]), ...primary].join(', ')
    return { isAsked, group, within: '', ranks: [], inMemory: [] }
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
    isAsked,
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

/** What a page is cut out of, and how. */
export interface PageCut {
  readonly query: CandidateQuery
  readonly order: CandidateOrder
  readonly sources: CandidateSources
  readonly window: Window
  /** The most rows that may be sent; undefined where all are. */
  readonly limit: number | undefined
}

/**
 * The statement of a page: the candidates of the groups that it lies in, and how many rows surely match
 * before each, so that buckets outside of the page are neither sent nor opened.
 *
 * It reads the sure candidates down to the end of the group in which the page ends, in the order of the
 * bucket's index and no further, so that a page costs its rows, those before it and one bucket, however
 * large the table is; and those that have to be opened.
 *
 * @param sent - rows after which it ends; by default one beyond the limit, which tells that there are
 *   too many
 */
export function pageSql(cut: PageCut, sent?: number): string {
  const { query, order, sources, window } = cut
  const { skip, take } = window
  const from = (isSure: boolean, sql: string) =>
    `SELECT ${isSure} AS "${SURE}", s.* FROM (${sql}) s`
  const isAll = take === undefined || query.multiplied
  const parts: string[] = []
  let first = ''
  let rest = ''
  if (sources.sure !== undefined) {
    const sure = from(true, sources.sure)
    first = `WITH sure AS (${isAll ? sure : firstGroups(cut, sure, skip + take)}) `
    parts.push('(SELECT * FROM sure)')
    // Where these come first and fill the page, the others are not looked for.
    if (!isAll && !order.isAsked) rest = ` WHERE (SELECT count(*) FROM sure) < ${skip + take}`
  }
  if (sources.undecided !== undefined) {
    const most = mostSql(cut)
    const ordered = most && ` ORDER BY ${order.group}${most}`
    parts.push(`(${from(false, sources.undecided)}${rest}${ordered})`)
  }
  return first + windowSql(cut, parts.join(' UNION ALL '), [], sent)
}

/**
 * The statement of a page that reads the candidates in order, down to the end of the group of the one at
 * `reach`, however many of them are sure. `mortise$more` tells whether there are others.
 */
export function nearPageSql(cut: PageCut, reach: number): string {
  const all = cut.sources.all()
  const near = firstGroups(cut, `SELECT * FROM (${all}) a`, reach)
  const more = `EXISTS (SELECT 1 FROM (${all}) a OFFSET (SELECT count(*) FROM near))`
  return (
    `WITH near AS MATERIALIZED (${near}) ` +
    windowSql(cut, 'SELECT * FROM near', [`${more} AS "mortise$more"`])
  )
}

/** Rows in order, down to the end of the group of the one at `reach`. */
function firstGroups(cut: PageCut, rows: string, reach: number): string {
  const groups = `${rows} ORDER BY ${cut.order.group} FETCH FIRST ${reach} ROWS WITH TIES`
  return `SELECT * FROM (${groups}) g${mostSql(cut)}`
}

/**
 * More rows than these are too many, whichever they are: at most `skip` of them come before the page, and
 * what is cut off comes after all that is not.
 */
function mostSql({ query, window, limit }: PageCut): string {
  return query.multiplied || limit === undefined ? '' : ` LIMIT ${window.skip + limit + 1}`
}

function windowSql(
  { query, order, window: { skip, take }, limit }: PageCut,
  candidates: string,
  more: readonly string[],
  sent: number | undefined = limit === undefined ? undefined : limit + 1,
): string {
  const { group, within, ranks } = order
  const columns = [
    `dense_rank() OVER (ORDER BY ${group}) AS "${GROUP}"`,
    `count(*) FILTER (WHERE "${SURE}") OVER (ORDER BY ${group} ` +
      'GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "mortise$before"',
    `count(*) OVER (ORDER BY ${group}) AS "mortise$upto"`,
    ...ranks,
    ...more,
  ]
  // Several candidates of one main row make the counts too high: then every candidate is read.
  const conditions = query.multiplied
    ? []
    : [
        `("mortise$upto" > ${skip} OR NOT "${SURE}")`,
        ...(take === undefined ? [] : [`"mortise$before" < ${skip + take}`]),
      ]
  return (
    `SELECT * FROM (SELECT c.*, ${columns.join(', ')} FROM (${candidates}) c) w ` +
    (conditions.length > 0 ? `WHERE ${conditions.join(' AND ')} ` : '') +
    `ORDER BY "${GROUP}"${within === '' ? '' : `, ${within}`}` +
    (sent === undefined || query.multiplied ? '' : ` LIMIT ${sent}`)
  )
}
