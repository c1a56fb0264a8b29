export type { RangeOption } from './blind-index/bucket'
export type { Bucket } from './blind-index/bucketing'
export type { CustomNormalizer, NormalizerName } from './blind-index/normalize'
export type { NativeStatus } from './crypto/native'
export { type EnvelopeInfo, inspectEnvelope } from './envelope/inspect'
export { isMortiseError, MortiseError, type MortiseErrorCode, type ProviderFailure } from './errors'
export type { FieldIndexOptions } from './field'
export type { ExactOptions } from './field/exact-index'
export {
  createFieldCipher,
  type FieldCipher,
  type FieldCipherOptions,
  type SubjectFieldCipherOptions,
} from './field/field-cipher'
export type { FieldIndexCipher } from './field/field-index-cipher'
export type { FieldType, ValueOf } from './field/field-type'
export type { ShreddedValues } from './field/sealed-values'
export type { OfSubject, SubjectFieldCipher, SubjectId } from './field/subject-cipher'
export type { EnumValues } from './field/value-set'
export { fileKeyStore } from './key-store/file'
export { memoryKeyStore } from './key-store/memory'
export type { KeyState, KeyStore } from './key-store/store'
export type { Environment } from './keys/environment'
export type {
  KeyCacheEvent,
  KeyChangeEvent,
  KeyEvent,
  KeyEventHandler,
  KeyEventKey,
  KeyEvictionReason,
  KeyStoreEvent,
  ProviderEvent,
} from './keys/events'
export type { KeyHealth, KeyringHealth, ProviderHealth, StoreHealth } from './keys/health'
export { createKeyring, type KeyInfo, type Keyring } from './keys/keyring'
export { keyringFromEnv } from './keys/keyring-from-env'
export type {
  KeyringCacheOptions,
  KeyringCallOptions,
  KeyringOptions,
} from './keys/keyring-options'
export { generateRootKey, inAppKeyProvider } from './providers/in-app'
export type { KeyContext, KeyProvider, KeyPurpose, ProviderCallOptions } from './providers/provider'
