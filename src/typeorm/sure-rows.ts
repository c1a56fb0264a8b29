import { sureSql } from './condition'
import { type ExpressionMap, internalsOf } from './internals'
import { applyPlan, type Plan } from './plan'
import { stateOf } from './select-state'

/** Puts a plan into an expression map, narrowed to the rows that match for certain. */
export function applySure(map: ExpressionMap, plan: Plan): void {
  applyPlan(map, { ...plan, wheres: [{ type: 'simple', condition: sureSql(plan.condition) }] })
}

/** Narrows a query to the rows that match for certain, without a row being opened. */
export function narrowToSure(builder: object, plan: Plan): void {
  const map = internalsOf(builder).expressionMap
  applySure(map, plan)
  map.orderBys = {}
  stateOf(builder).rendering = true
}
