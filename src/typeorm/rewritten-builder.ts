import { internalsOf } from './internals'
import { stateOf } from './select-state'
import { rewriteStatement } from './sql/rewrite-statement'

/** Renders a statement that goes to the database next: nothing in it may be left to a later reader. */
export function whileSending<T>(builder: object, render: () => T): T {
  const state = stateOf(builder)
  const before = state.sending
  state.sending = true
  try {
    return render()
  } finally {
    state.sending = before
  }
}

/**
 * TypeORM begins with a cache key of the parameters, which is JSON, also where there is no cache: each
 * value would be digested for nothing. Only that first JSON is left empty.
 */
export function withoutCacheKey(parameters: unknown[]): void {
  const toJSON = () => {
    Reflect.deleteProperty(parameters, 'toJSON')
    return []
  }
  Object.defineProperty(parameters, 'toJSON', { configurable: true, value: toJSON })
}

/** Rewrites the statements of one builder, whose class TypeORM does not export. */
export function rewriteOnInstance(builder: object): void {
  const internals = internalsOf(builder)
  const getQuery = internals.getQuery.bind(builder)
  const getQueryAndParameters = internals.getQueryAndParameters.bind(builder)
  internals.getQuery = () => rewriteStatement(builder, getQuery(), stateOf(builder).sending)
  internals.getQueryAndParameters = () => whileSending(builder, getQueryAndParameters)
}
