import { tokensOf } from '../blind-index/token'
import { ofOneValue } from '../envelope/one-value'
import type { MortiseErrorCode } from '../errors'
import type { Field } from '../field'
import type { KeyAccess, TokenKey } from '../keys/access'

/** What the index columns of a field must hold for one value. */
export interface IndexValue {
  /** Null where no tokens are made. */
  readonly token: Buffer | null
  /** Text; null where there is no range index. */
  readonly bucket: string | null
}

/** What is made for a value, or what is wrong with that value. */
export type MadeIndex = IndexValue | { readonly code: MortiseErrorCode }

/** Which indexes of a field are made. */
export interface MadeIndexes {
  readonly field: Field
  readonly hasToken: boolean
  readonly hasBucket: boolean
  /** Without it no tokens are made; what would fail fails alike. */
  readonly tokenKey: TokenKey | null
}

/** Of a column without a value, and of a field without an index. */
export const NO_INDEX_VALUE: IndexValue = { token: null, bucket: null }

/** Both indexes of a field, as far as it declares them. */
export async function declaredIndexes(access: KeyAccess, field: Field): Promise<MadeIndexes> {
  const hasToken = field.exact !== null
  const tokenKey = hasToken ? await access.tokenKey(field.indexName) : null
  return { field, hasToken, hasBucket: field.bucketing !== null, tokenKey }
}

/** What index columns must hold for values of one field: their tokens are made at once. */
export function indexValues(
  { field, hasToken, hasBucket, tokenKey }: MadeIndexes,
  values: readonly unknown[],
): MadeIndex[] {
  if (!hasToken && !hasBucket) return values.map(() => NO_INDEX_VALUE)
  const encoded: Buffer[] = []
  const buckets = values.map((value) => {
    try {
      const forToken = hasToken ? field.encodeForToken(value) : null
      const bucket = hasBucket ? String(field.bucketOf(value)) : null
      if (forToken !== null) encoded.push(forToken)
      return bucket
    } catch (error) {
      return ofOneValue(error)
    }
  })
  const tokens = (tokenKey ? tokensOf(tokenKey, encoded) : []).values()
  return buckets.map((bucket) =>
    bucket === null || typeof bucket === 'string'
      ? { token: tokens.next().value ?? null, bucket }
      : { code: bucket.code },
  )
}
