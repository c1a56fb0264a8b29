import type { KeyContext } from '../../src/providers/provider'

/** The identity that the tests of every provider wrap keys under. */
export const CONTEXT: KeyContext = {
  use: 'kek',
  domain: 'default',
  purpose: 'data',
  id: '00112233445566ff',
  version: 3,
}

/** The same as the encryption context of AWS KMS; see docs/format.md "Keys". */
export const BOUND = {
  mortise: '1',
  use: 'kek',
  domain: 'default',
  purpose: 'data',
  id: '00112233445566ff',
  version: '3',
}
