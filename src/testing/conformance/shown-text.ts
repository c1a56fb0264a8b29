import { inspect } from 'node:util'
import { ensure } from './violation'

/** Everything that a log would show of a value: message, stack, properties, JSON. */
export function shownText(value: unknown): string {
  const depth = { depth: null, showHidden: true, getters: true } as const
  const error = value instanceof Error ? `${value.message}\n${value.stack}` : ''
  return [error, inspect(value, depth), inspect(value), JSON.stringify(value), String(value)].join(
    '\n',
  )
}

/** Throws where a text holds a secret, in any of the forms that bytes are shown in. */
export function ensureNoSecret(
  text: string,
  secrets: readonly (string | Uint8Array)[],
  what: string,
): void {
  const shown = text.toLowerCase()
  const found = secrets.flatMap(forms).some((form) => shown.includes(form.toLowerCase()))
  ensure(!found, `${what} shows a secret`)
}

function forms(secret: string | Uint8Array): string[] {
  if (typeof secret === 'string')
    return secret === '' ? [] : [secret, ...forms(Buffer.from(secret))]
  const bytes = Buffer.from(secret)
  // `inspect` shows 50 bytes in pairs of digits, JSON shows numbers.
  const pairs = (bytes.toString('hex').match(/../g) ?? []).join(' ')
  const base64 = bytes.toString('base64').replace(/=+$/, '')
  const shown = [
    bytes.toString('hex'),
    base64,
    bytes.toString('base64url'),
    pairs,
    bytes.join(),
    bytes.join(', '),
  ]
  // Shorter forms are found by chance.
  return [...shown, bytes.toString('latin1')].filter((form) => form.length >= 4)
}
