import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common'
import { type Keyring, keyringFromEnv } from 'mortise'

export const KEYRING = Symbol('keyring')

@Module({
  providers: [{ provide: KEYRING, useFactory: () => keyringFromEnv() }],
  exports: [KEYRING],
})
export class KeyringModule implements OnApplicationShutdown {
  constructor(@Inject(KEYRING) private readonly keyring: Keyring) {}

  // Nest calls this when requests are no longer accepted.
  onApplicationShutdown(): Promise<void> {
    return this.keyring.close()
  }
}
