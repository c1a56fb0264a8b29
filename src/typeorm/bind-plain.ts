import { isDeepStrictEqual } from 'node:util'
import type { EntityMetadata, ValueTransformer } from 'typeorm'
import { readsPlain } from '../adoption/adoption-state'
import type { ValueType } from '../envelope/value-type'
import { resolveFieldType } from '../field/field-type'
import { checkPlainColumn } from './check-columns'
import type { ColumnMark } from './declaration'
import type { AdoptedColumn } from './encrypted-column'
import type { ColumnMetadata } from './internals'
import type { AdoptDeclaration } from './plain-column'

/** A value of each type, for {@link givesOtherForms}. */
const SAMPLES: Readonly<Record<ValueType, unknown>> = {
  string: 'sample',
  number: 1,
  bigint: 1n,
  boolean: true,
  timestamp: new Date(0),
  date: '2000-01-01',
  bytes: Buffer.of(1),
  json: { sample: true },
}

/**
 * Gives an adopted column the transformer that the application had, in the place of the one that refuses
 * without `withEncryption`.
 *
 * @param name - `Entity.property`
 * @throws ERR_FIELD_INVALID where the column cannot be adopted
 */
export function bindPlain(
  metadata: EntityMetadata,
  column: ColumnMetadata,
  options: ColumnMark['options'],
  name: string,
): AdoptedColumn {
  const { state, column: former } = options.adopt as AdoptDeclaration
  checkPlainColumn(metadata, column, name)
  const transformer = former?.transformer
  if (transformer) column.transformer = transformer
  else delete column.transformer
  const opaque =
    readsPlain(state) && givesOtherForms(transformer, SAMPLES[resolveFieldType(options.type, name)])
  return { column, state, opaque }
}

/** Whether a value gets another stored form each time: encryption with a random nonce does. */
function givesOtherForms(
  transformer: ValueTransformer | ValueTransformer[] | undefined,
  sample: unknown,
): boolean {
  const steps = transformer ? [transformer].flat() : []
  const form = () => steps.reduce<unknown>((value, step) => step.to(value), sample)
  try {
    return !isDeepStrictEqual(form(), form())
  } catch {
    // One that refuses the sample may still take the values of the application.
    return false
  }
}
