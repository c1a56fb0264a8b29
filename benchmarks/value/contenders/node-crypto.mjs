// The floor: what node:crypto takes where nothing is kept but IV, tag and ciphertext. One static
// KeyObject, a fresh IV, 32 bytes of AAD.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  randomBytes,
} from 'node:crypto'

export async function create() {
  const key = createSecretKey(randomBytes(32))
  const indexKey = createSecretKey(randomBytes(32))
  const aad = Buffer.alloc(32, 'a')
  const options = { authTagLength: 16 }

  function seal(text) {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv, options).setAAD(aad)
    const ciphertext = cipher.update(text, 'utf8')
    cipher.final()
    return Buffer.concat([iv, cipher.getAuthTag(), ciphertext])
  }

  function open(bytes) {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), options)
    decipher.setAAD(aad).setAuthTag(bytes.subarray(12, 28))
    const text = decipher.update(bytes.subarray(28), undefined, 'utf8')
    return text + decipher.final('utf8')
  }

  const token = (text) => createHmac('sha256', indexKey).update(text, 'utf8').digest()
  return { seal, open, token }
}
