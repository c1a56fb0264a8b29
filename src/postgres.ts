/** Entry point `mortise/postgres`: the key store in PostgreSQL, without any ORM. */
export {
  type PostgresClient,
  type PostgresKeyStoreOptions,
  type PostgresPool,
  postgresKeyStore,
} from './key-store/postgres-pool'
