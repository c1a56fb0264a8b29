import { MortiseError } from '../errors'

/** Shorter texts stand in a database by chance, above all in base64. */
const MIN_LENGTH = 6

/**
 * What a leak of a value would look like: its text, escaped, and its bytes in hex, base64 at any
 * alignment and as numbers, in the spellings that compare without case.
 *
 * @throws ERR_CONFIG for a value whose text is too short to be told from chance
 */
export function plaintextForms(value: unknown): string[] {
  const texts = textsOf(value).filter(({ length }) => length >= MIN_LENGTH)
  if (texts.length === 0) {
    throw new MortiseError(
      'ERR_CONFIG',
      `a plaintext to look for needs a text of ${MIN_LENGTH} characters, or it is found by chance`,
    )
  }
  return [...new Set(texts.flatMap(formsOfText))]
}

/** Of an object, everything that it holds. */
function textsOf(value: unknown): string[] {
  if (value instanceof Date) return [value.toISOString(), value.toISOString().replace('T', ' ')]
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('latin1')]
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(textsOf)
  return [String(value)]
}

function formsOfText(text: string): string[] {
  const spellings = [text, text.toLowerCase(), text.toUpperCase()]
  const encoded = spellings.flatMap((one) => formsOfBytes(Buffer.from(one)))
  return [text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text), ...encoded]
}

function formsOfBytes(bytes: Buffer): string[] {
  const base64 = [0, 1, 2].map((offset) => base64At(bytes, offset))
  const base64url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))
  return [bytes.toString('hex'), bytes.join(','), bytes.join(', '), ...base64, ...base64url]
}

/** The characters of base64 that depend on these bytes alone, `offset` bytes after a multiple of 3. */
function base64At(bytes: Buffer, offset: number): string {
  const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
  const whole = Math.floor((shifted.length * 8) / 6)
  return shifted.toString('base64').slice(Math.ceil((offset * 8) / 6), whole)
}
