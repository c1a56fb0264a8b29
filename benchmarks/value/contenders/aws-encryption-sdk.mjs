// Its raw AES keyring with key commitment and without a signature, the fastest suite that its default
// commitment policy allows; `cached` adds the caching materials manager that its documentation
// recommends for throughput, with which messages share a data key.
import { randomBytes } from 'node:crypto'

/** A loop of a tenth: at hundreds of microseconds a value the rest would only take time. */
export const share = 0.1

export async function create({ cached = false } = {}) {
  const sdk = (await import('@aws-crypto/client-node')).default
  const { encrypt, decrypt } = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const keyring = new sdk.RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'bench',
    unencryptedMasterKey: new Uint8Array(randomBytes(32)),
    wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const materials = cached
    ? new sdk.NodeCachingMaterialsManager({
        backingMaterials: keyring,
        cache: sdk.getLocalCryptographicMaterialsCache(10_000),
        maxAge: 3_600_000,
      })
    : keyring
  const suiteId = sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
  return {
    isAsync: true,
    async seal(text) {
      const options = { suiteId, plaintextLength: Buffer.byteLength(text) }
      return (await encrypt(materials, text, options)).result
    },
    open: async (stored) => (await decrypt(materials, stored)).plaintext.toString('utf8'),
  }
}
