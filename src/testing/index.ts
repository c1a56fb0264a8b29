export type { ConformanceCheck, ConformanceTarget, MakeProvider } from './conformance/target'
export { expectIndexed, type ObservedDataSource } from './expect-indexed'
export { expectNoPlaintext } from './expect-no-plaintext'
export { testKeyring } from './keyring'
export type { KmsCall } from './kms/call-log'
export type { KmsFault, KmsFaultEffect } from './kms/fault'
export type { KmsFaultName } from './kms/fault-error'
export {
  type KmsCredentials,
  type KmsEmulator,
  type KmsEmulatorOptions,
  type KmsKey,
  type KmsKeyOptions,
  startKmsEmulator,
} from './kms-emulator'
export { providerConformance } from './provider-conformance'
