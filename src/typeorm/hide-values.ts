import { internalsOf } from './internals'
import { readsEncrypted } from './plan'

/**
 * Keeps the values that an application gave to a builder out of `inspect` and `console.log`, where the
 * builder reads or writes encrypted properties: they are plaintext.
 *
 * @param prototype - of a builder class of this project; builders of plain entities look as ever
 */
export function hideValues(prototype: object): void {
  Object.defineProperty(prototype, Symbol.for('nodejs.util.inspect.custom'), {
    configurable: true,
    value(this: object) {
      if (!readsEncrypted(this)) return this
      const { queryType, mainAlias } = internalsOf(this).expressionMap
      return `[${queryType} query of encrypted ${mainAlias?.hasMetadata ? mainAlias.metadata.name : ''}]`
    },
  })
}
