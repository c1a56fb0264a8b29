import { internalsOf } from '../internals'
import { stateOf } from '../select-state'
import type { ParameterValues } from './question-values'

const PREFIX = 'mortise_'
const DIGITS = 9
const FRESH_NAME = new RegExp(`${PREFIX}[0-9a-z]{${DIGITS}}`, 'g')
let made = 0

/**
 * Gives a value to the statement under a name that no other builder of the process uses: the texts and
 * parameters of subqueries that were built apart are put into one statement by the application.
 *
 * @returns the name as SQL
 */
export function freshParameterName(builder: object, value: unknown): string {
  const name = PREFIX + (made++).toString(36).padStart(DIGITS, '0')
  // Where TypeORM pages over joins, it renders a clone and takes the parameters of the original.
  for (let one: object | undefined = builder; one; one = stateOf(one).clonedFrom) {
    internalsOf(one).setParameter(name, value)
  }
  return `:${name}`
}

/** The text with one name in the place of all fresh ones, of equal length: equal for equal statements. */
export function withoutFreshNames(sql: string): string {
  return sql.replace(FRESH_NAME, PREFIX.padEnd(PREFIX.length + DIGITS, '_'))
}

/**
 * Gives the values of spread lists (`:...ids`) names of their own. TypeORM sends a list once for each time
 * that a text names it, and PostgreSQL takes 65,535 values.
 *
 * @param builder - what sends the text; gets the names
 */
export function spreadOnce(builder: object, sql: string): string {
  const { expressionMap } = internalsOf(builder)
  const values = parametersOf(builder)
  return sql.replace(/:\.\.\.([A-Za-z0-9_.]+)/g, (spread, name: string) => {
    const list = values.get(name)
    if (!Array.isArray(list)) return spread
    const names = list.map((value, index) => {
      const one = `${PREFIX}list_${name}_${index}`
      expressionMap.parameters[one] = value
      return `:${one}`
    })
    return names.join(', ')
  })
}

/** The named parameters of a builder, and of the builders that it is a part of. */
export function parametersOf(builder: object): ParameterValues {
  const parameters = internalsOf(builder).getParameters()
  return { has: (name) => Object.hasOwn(parameters, name), get: (name) => parameters[name] }
}
