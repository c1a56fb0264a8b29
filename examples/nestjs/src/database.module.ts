import { Module } from '@nestjs/common'
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm'
import { isMortiseError, type Keyring } from 'mortise'
import { withEncryption } from 'mortise/typeorm'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { databaseOptions } from './database.js'
import { KEYRING, KeyringModule } from './keyring.module.js'

type EncryptedOptions = TypeOrmModuleOptions & { keyring: Keyring }

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      imports: [KeyringModule],
      inject: [KEYRING],
      // The factory below is given nothing but these options, so the keyring travels with them.
      useFactory: (keyring: Keyring): EncryptedOptions => ({
        ...databaseOptions(),
        keyring,
        // A wrong root key stays wrong; an unreachable database or key provider may come back.
        toRetry: (error) => !isMortiseError(error) || error.retryable === true,
      }),
      // Nest initialises what this returns, and asks for a new one at each retry.
      dataSourceFactory: async (given) => {
        const { keyring, ...options } = given as EncryptedOptions
        const dataSource = new DataSource(options as DataSourceOptions)
        return withEncryption(dataSource, { keyring, requireKeys: true })
      },
    }),
  ],
})
export class DatabaseModule {}
