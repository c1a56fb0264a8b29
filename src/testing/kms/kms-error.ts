/** An error as the KMS protocol has it: a type, an HTTP status and perhaps a message. */
export class KmsError extends Error {
  override readonly name = 'KmsError'
  readonly type: string
  readonly status: number

  constructor(type: string, message = '', status = 400) {
    super(message)
    this.type = type
    this.status = status
  }
}

/** A parameter is missing or outside of what the API model allows. */
export function invalidParameter(name: string, constraint: string): KmsError {
  const member = name.charAt(0).toLowerCase() + name.slice(1)
  return new KmsError(
    'ValidationException',
    `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${constraint}`,
  )
}

/** What the service offers and the emulator does not, or what this kind of key does not offer. */
export function unsupported(message: string): KmsError {
  return new KmsError('UnsupportedOperationException', message)
}

/** The key that decrypts is not the one that encrypted. */
export function incorrectKey(): KmsError {
  return new KmsError(
    'IncorrectKeyException',
    'The key ID in the request does not identify a CMK that can perform this operation.',
  )
}
