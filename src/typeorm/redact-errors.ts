import { type DataSource, type EntityManager, EntityNotFoundError, type Logger } from 'typeorm'
import { sealedColumnOf, sealedColumnsOf } from './encrypted-column'
import { internalsOf } from './internals'
import { redactQueryError } from './redact'
import { shownParameters } from './runtime'
import { wrapProperty } from './wrap-property'

/** The finders that put their criteria into an error. */
const FINDERS = ['findOneOrFail', 'findOneByOrFail'] as const

/**
 * Keeps the criteria of a failed finder out of its error: they are plaintext. The error keeps its
 * class.
 */
export function redactNotFound(manager: EntityManager): EntityManager {
  const finders = manager as unknown as Record<string, Finder | undefined>
  for (const name of FINDERS) {
    const find = finders[name]
    if (find) finders[name] = redactingFinder(find)
  }
  return manager
}

type Finder = (this: EntityManager, ...parameters: never[]) => Promise<unknown>

/** TypeORM makes a manager for each query: what its finders have in common is made once. */
const redactingFinders = new WeakMap<Finder, Finder>()

function redactingFinder(find: Finder): Finder {
  const known = redactingFinders.get(find)
  if (known) return known
  const redacted: Finder = async function (...parameters) {
    try {
      return await find.apply(this, parameters)
    } catch (error) {
      if (!(error instanceof EntityNotFoundError)) throw error
      const source = (this as { dataSource?: DataSource }).dataSource ?? this.connection
      throw redactCriteria(error, source)
    }
  }
  redactingFinders.set(find, redacted)
  return redacted
}

function redactCriteria(error: EntityNotFoundError, dataSource: DataSource): EntityNotFoundError {
  const { entityClass, criteria } = error
  if (!dataSource.hasMetadata(entityClass)) return error
  const hidden = redact(criteria, dataSource, entityClass, '')
  return new EntityNotFoundError(entityClass, hidden)
}

function redact(
  value: unknown,
  source: DataSource,
  entity: never | unknown,
  path: string,
): unknown {
  const metadata = source.getMetadata(entity as never)
  const column = path === '' ? undefined : metadata.findColumnWithPropertyPathStrict(path)
  const encrypted = sealedColumnOf(column)
  if (encrypted) return `[encrypted ${encrypted.field.name}]`
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map((one) => redact(one, source, entity, path))
  const relation = path === '' ? undefined : metadata.findRelationWithPropertyPath(path)
  return Object.fromEntries(
    Object.entries(value).map(([key, nested]) => {
      if (relation) return [key, redact(nested, source, relation.inverseEntityMetadata.target, key)]
      const inner = path === '' || key === 'where' ? key : `${path}.${key}`
      if (path === '' && key === 'where') return [key, redact(nested, source, entity, '')]
      return [key, redact(nested, source, entity, inner)]
    }),
  )
}

/** Keeps the parameters of a failed `getOneOrFail()` out of its error: any may be plaintext. */
export function redactParameters(error: unknown, builder: object): unknown {
  if (!(error instanceof EntityNotFoundError) || !asksSealed(builder)) return error
  const names = Object.keys((error.criteria ?? {}) as object)
  const hidden = Object.fromEntries(names.map((name) => [name, '[not shown]']))
  return new EntityNotFoundError(error.entityClass, hidden)
}

/** Also where a column that is being adopted is still read in clear. */
function asksSealed(builder: object): boolean {
  const { aliases } = internalsOf(builder).expressionMap
  return aliases.some((one) => one.hasMetadata && sealedColumnsOf(one.metadata).length > 0)
}

/** Cuts tokens, buckets and envelopes out of what the DataSource's logger is shown. */
export function redactLogger(dataSource: DataSource): void {
  wrapProperty(dataSource, 'logger', (logger) => redacting(logger, dataSource))
}

/** Whatever else is asked of a logger is answered by itself: it may have private fields. */
function redacting(logger: Logger, dataSource: DataSource): Logger {
  const shown = <P>(parameters: P): P =>
    Array.isArray(parameters) ? (shownParameters(parameters) as P) : parameters
  const own: Pick<Logger, 'logQueryError' | 'logQuerySlow'> = {
    logQueryError(error, query, parameters, runner) {
      for (const metadata of dataSource.entityMetadatas) {
        redactQueryError(error, { name: '', hasMetadata: true, metadata })
      }
      logger.logQueryError(error, query, shown(parameters), runner)
    },
    logQuerySlow(time, query, parameters, runner) {
      logger.logQuerySlow(time, query, shown(parameters), runner)
    },
  }
  return new Proxy(logger, {
    get(_, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name)
      const value: unknown = Reflect.get(logger, name)
      return typeof value === 'function' ? value.bind(logger) : value
    },
  })
}
