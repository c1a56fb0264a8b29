export {
  type Pkcs11KeyOptions,
  type Pkcs11KeyProviderOptions,
  type Pkcs11UriOptions,
  pkcs11KeyProvider,
} from './providers/pkcs11'
export { type PinSource, pinFromEnv, pinFromFile } from './providers/pkcs11/pin'
