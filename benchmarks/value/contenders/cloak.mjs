// Its synchronous functions with a key that is parsed once, as prisma-field-encryption uses them.

export async function create() {
  const { decryptStringSync, encryptStringSync, generateKey, parseKeySync } = await import(
    '@47ng/cloak'
  )
  const key = parseKeySync(generateKey())
  return {
    seal: (text) => encryptStringSync(text, key),
    open: (stored) => decryptStringSync(stored, key),
  }
}
