/**
 * The condition that a bytea expression begins as an envelope of format 1 with b2: its key id names
 * the key of a subject. NULL for NULL.
 *
 * @see docs/format.md "Envelope"
 */
export function underSubjectKey(bytes: string): string {
  return `(substring(${bytes} from 1 for 1) = decode('e1', 'hex')
      AND substring(${bytes} from 2 for 1) BETWEEN decode('04', 'hex') AND decode('07', 'hex')
      AND octet_length(substring(${bytes} from 3 for 8)) = 8)`
}
