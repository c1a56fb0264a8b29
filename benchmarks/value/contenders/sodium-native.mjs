// No library of fields, but the fastest AEAD for small values in Node: what is left is the caller's
// work. Tokens are keyed BLAKE2b.

export async function create() {
  const sodium = (await import('sodium-native')).default
  const key = Buffer.alloc(sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES)
  const indexKey = Buffer.alloc(sodium.crypto_generichash_KEYBYTES)
  sodium.randombytes_buf(key)
  sodium.randombytes_buf(indexKey)
  const aad = Buffer.alloc(32, 'a')
  const nonceBytes = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
  const tagBytes = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES

  function seal(text) {
    const plaintext = Buffer.from(text, 'utf8')
    const stored = Buffer.allocUnsafe(nonceBytes + plaintext.length + tagBytes)
    const nonce = stored.subarray(0, nonceBytes)
    const ciphertext = stored.subarray(nonceBytes)
    sodium.randombytes_buf(nonce)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(ciphertext, plaintext, aad, null, nonce, key)
    return stored
  }

  function open(stored) {
    const nonce = stored.subarray(0, nonceBytes)
    const ciphertext = stored.subarray(nonceBytes)
    const plaintext = Buffer.allocUnsafe(ciphertext.length - tagBytes)
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext, null, ciphertext, aad, nonce, key)
    return plaintext.toString('utf8')
  }

  function token(text) {
    const hash = Buffer.allocUnsafe(16)
    sodium.crypto_generichash(hash, Buffer.from(text, 'utf8'), indexKey)
    return hash
  }

  return { seal, open, token }
}
