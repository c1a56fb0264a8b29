import type { Bucket } from '../blind-index/bucketing'

/** Computes what is stored beside an envelope to find it by. */
export interface FieldIndexCipher<V> {
  /**
   * The exact token of a value, to store beside the envelope and to ask for.
   *
   * @returns 1 + ceil(bits / 8) bytes, or null for null
   * @throws ERR_QUERY_UNSUPPORTED without an exact index
   * @throws ERR_INDEX_CHANGED where earlier tokens were made with another declaration
   */
  token(value: V | null): Promise<Buffer | null>
  /**
   * The bucket of a value, to store **in clear** beside the envelope and to ask for.
   *
   * @returns a number, or text for bigint, dates, timestamps and prefixes; null for null
   * @throws ERR_QUERY_UNSUPPORTED without a range index
   * @throws ERR_INDEX_CHANGED where earlier buckets were made with other parameters
   */
  bucket(value: V | null): Promise<Bucket | null>
}
