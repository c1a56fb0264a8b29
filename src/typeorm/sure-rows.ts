import { type Condition, sureSql } from './condition'
import { internalsOf } from './internals'
import { applyPlan, type Plan } from './plan'
import { stateOf } from './select-state'

/** Whether the database alone can know of any row that it matches: a token with `bits` never can. */
export function canBeSure(condition: Condition): boolean {
  if ('parts' in condition) {
    const { kind, parts } = condition
    return kind === 'and' ? parts.every(canBeSure) : parts.some(canBeSure)
  }
  return condition.kind !== 'lossy' || condition.sure !== 'FALSE'
}

/** Narrows a query to the rows that match for certain, without a row being opened. */
export function narrowToSure(builder: object, plan: Plan): void {
  const map = internalsOf(builder).expressionMap
  applyPlan(map, { ...plan, wheres: [{ type: 'simple', condition: sureSql(plan.condition) }] })
  map.orderBys = {}
  stateOf(builder).rendering = true
}
