// Its transformer, as a column has it, with the one authenticated mode that its README names.
import { randomBytes } from 'node:crypto'

export async function create() {
  const { EncryptionTransformer } = await import('typeorm-encrypted')
  const key = randomBytes(32).toString('hex')
  const transformer = new EncryptionTransformer({ key, algorithm: 'aes-256-gcm', ivLength: 12 })
  return { seal: (text) => transformer.to(text), open: (stored) => transformer.from(stored) }
}
