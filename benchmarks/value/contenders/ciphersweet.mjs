// Its faster backend, on the sodium-native that its README recommends. A record is a loop over its
// fields: EncryptedRow derives a key for each field of each row and takes longer. Tokens are its fast
// blind index of 128 bits.
import { randomBytes } from 'node:crypto'

export async function create() {
  const { BlindIndex, CipherSweet, EncryptedField, ModernCrypto, StringProvider } = (
    await import('ciphersweet-js')
  ).default
  const provider = new StringProvider(randomBytes(32).toString('hex'))
  const engine = new CipherSweet(provider, new ModernCrypto())
  const field = await EncryptedField.build(engine, 'bench', 'value')
  field.addBlindIndex(new BlindIndex('exact', [], 128, true))
  return {
    isAsync: true,
    seal: (text) => field.encryptValue(text),
    open: async (stored) => (await field.decryptValue(stored)).toString('utf8'),
    token: (text) => field.getBlindIndex(text, 'exact'),
  }
}
