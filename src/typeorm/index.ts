export type { EncryptedOptions } from './declaration'
export { Encrypted, type EncryptedDecorator, type InferredDecorator } from './encrypted'
export {
  type EncryptedColumnParameters,
  type EncryptedColumns,
  encryptedColumn,
} from './encrypted-schema'
export { type EncryptedExplanation, type ExplainedProperty, explainEncrypted } from './explain'
export { type EncryptionOptions, withEncryption } from './install'
export { typeormKeyStore } from './key-store'
export { openRaw, openRawStream, type RawNames, type RawSource } from './open-raw'
export type { AdoptDeclaration, PlainColumnOptions } from './plain-column'
export { isSealed, Sealed } from './sealed'
export { type EncryptedUniqueViolation, encryptedUniqueViolation } from './unique-violation'
