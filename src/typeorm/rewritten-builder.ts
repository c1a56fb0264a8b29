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

/** Rewrites the statements of one builder, whose class TypeORM does not export. */
export function rewriteOnInstance(builder: object): void {
  const internals = internalsOf(builder)
  const getQuery = internals.getQuery.bind(builder)
  const getQueryAndParameters = internals.getQueryAndParameters.bind(builder)
  internals.getQuery = () => rewriteStatement(builder, getQuery(), stateOf(builder).sending)
  internals.getQueryAndParameters = () => whileSending(builder, getQueryAndParameters)
}
