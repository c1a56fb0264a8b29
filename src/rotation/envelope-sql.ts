import type { StoredForm } from '../envelope/stored-form'

/** SQL over one envelope column: bytea expressions, whatever the column stores. */
export interface EnvelopeSql {
  /**
   * At least the first 12 bytes: magic, flags, key id and the length of a provider's blob. Does not
   * fetch a large value from its TOAST table as long as no more than these are taken. NULL for NULL,
   * and empty where a text does not begin as the text form does.
   */
  readonly prefix: string
  /** The whole envelope. NULL for NULL, and empty where a text is not the one spelling of its bytes. */
  readonly bytes: string
  /** The length of `bytes`, without fetching them; of a text that is no envelope any number. */
  readonly length: string
  /** What the column stores for the bytes of an expression. */
  stored(bytes: string): string
}

/**
 * Ends a lateral SELECT whose columns PostgreSQL would otherwise compute anew wherever they are named:
 * decoding text is what a statement over a text column spends its time with.
 */
export const ONCE = 'OFFSET 0'

const PREFIX_DIGITS = 16
const EMPTY = "decode('', 'hex')"
const DIGIT = '[A-Za-z0-9_-]'
/** Of the last digit, the bits that no byte uses are zero. */
const LAST_DIGITS = `${DIGIT}[AQgw]|${DIGIT}{2}[AEIMQUYcgkosw048]`

/**
 * Writes the expressions for a column.
 *
 * @param value - SQL that names it
 * @see docs/format.md "Text form"
 */
export function envelopeSql(value: string, form: StoredForm): EnvelopeSql {
  if (form === 'bytea') {
    const length = `octet_length(${value})`
    return { prefix: value, bytes: value, length, stored: (bytes) => bytes }
  }
  const begin = `substring(${value} from 1 for ${5 + PREFIX_DIGITS})`
  const digits = `substring(${value} from 6)`
  const padding = `repeat('=', (9 - length(${value}) % 4) % 4)`
  return {
    prefix: decodeWhere(
      value,
      `${begin} ~ '^mrt1[.]${DIGIT}{${PREFIX_DIGITS}}$'`,
      `substring(${value} from 6 for ${PREFIX_DIGITS})`,
    ),
    bytes: decodeWhere(
      value,
      `${value} ~ '^mrt1[.](?:${DIGIT}{4})*(?:${LAST_DIGITS})?$'`,
      `${digits} || ${padding}`,
    ),
    length: `((octet_length(${value}) - 5) * 3 / 4)`,
    stored: (bytes) => `'mrt1.' || translate(encode(${bytes}, 'base64'), '+/=' || chr(10), '-_')`,
  }
}

function decodeWhere(value: string, condition: string, digits: string): string {
  return `(CASE WHEN ${value} IS NULL THEN NULL WHEN ${condition}
    THEN decode(translate(${digits}, '-_', '+/'), 'base64') ELSE ${EMPTY} END)`
}
