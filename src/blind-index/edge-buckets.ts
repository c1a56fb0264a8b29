import { checkValue } from '../envelope/codec'
import type { ValueType } from '../envelope/value-type'
import type { Bucketing, MakeBucketing } from './bucketing'
import { declarationError } from './declaration-error'
import { compareScalars, compareValues } from './value-order'

/** The number of edges that are not above the value: 0 below the first, n from the last one on. */
export function edgeBuckets(type: ValueType): MakeBucketing {
  return (declared, field): Bucketing => {
    const edges = checkEdges(type, declared, field)
    return {
      parameters: `edges:${JSON.stringify(edges.map(jsonForm))}`,
      columnType: 'integer',
      collation: null,
      bucketOf: (value) => countAtMost(type, edges, value),
      begins: (value) => edges.some((edge) => compareValues(type, edge, value) === 0),
      compare: compareScalars,
    }
  }
}

/** Copies the edges, because the caller's array and its Date objects may change later. */
function checkEdges(type: ValueType, declared: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(declared) || declared.length === 0) {
    throw declarationError(field, `range.edges must be an array of at least one ${type}`)
  }
  const edges = declared.map((edge, index) => checkEdge(type, edge, index, field))
  for (let index = 1; index < edges.length; index++) {
    if (compareValues(type, edges[index - 1], edges[index]) >= 0) {
      throw declarationError(
        field,
        `range.edges must rise: edge ${index} is not above the one before it` +
          (type === 'string' ? ' (strings are ordered by code point)' : ''),
      )
    }
  }
  return edges
}

function checkEdge(type: ValueType, edge: unknown, index: number, field: string): unknown {
  try {
    checkValue(type, edge, field)
  } catch {
    throw declarationError(field, `edge ${index} of its range is not a valid ${type}`)
  }
  return type === 'timestamp' ? new Date((edge as Date).getTime()) : edge
}

/** JSON has no bigint, and -0 must not differ from the 0 that it equals. */
function jsonForm(edge: unknown): unknown {
  return typeof edge === 'bigint' ? edge.toString() : edge
}

function countAtMost(type: ValueType, edges: readonly unknown[], value: unknown): number {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareValues(type, edges[middle], value) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
