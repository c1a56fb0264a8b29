import { type Account, addKey, type Caller, createAccount } from './kms/account'
import { addAlias } from './kms/alias-operations'
import type { KmsCall } from './kms/call-log'
import { createFaults, type KmsFault } from './kms/fault'
import { createKey, type KeySpec, type KeyUsage } from './kms/key'
import { requestQuota } from './kms/request-quota'
import { listen } from './kms/server'
import { answer, type ServiceState } from './kms/service'
import { randomBlob, randomHex } from './random'

/** What {@link startKmsEmulator} may be given. */
export interface KmsEmulatorOptions {
  /**
   * The Region of {@link KmsEmulator.clientConfig} and of keys that name none.
   *
   * @defaultValue `eu-central-1`
   */
  readonly region?: string | undefined
  /**
   * Cryptographic requests in each second and Region; those above it get ThrottlingException.
   *
   * @defaultValue no limit
   */
  readonly requestsPerSecond?: number | undefined
}

/** An access key pair that the emulator accepts. */
export interface KmsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** What a key of the emulator is made with. */
export interface KmsKeyOptions {
  /** `alias/NAME`, made in the same Region. */
  readonly alias?: string | undefined
  /** A multi-Region primary key, which ReplicateKey copies to other Regions. */
  readonly multiRegion?: boolean | undefined
  /** @defaultValue the emulator's */
  readonly region?: string | undefined
  /** Only the default caller, and those with a grant, may use the key; not every caller. */
  readonly restricted?: boolean | undefined
  /** Anything but `SYMMETRIC_DEFAULT` only describes itself, and is refused for every use. */
  readonly keySpec?: KeySpec | undefined
  readonly keyUsage?: KeyUsage | undefined
}

/** How a key is named. */
export interface KmsKey {
  readonly keyId: string
  readonly arn: string
  readonly region: string
}

/** A running emulator of AWS KMS. */
export interface KmsEmulator {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly region: string
  /** 12 digits. */
  readonly accountId: string
  /** For `new KMSClient(emulator.clientConfig)`: the default caller, in the emulator's Region. */
  readonly clientConfig: {
    readonly endpoint: string
    readonly region: string
    readonly credentials: KmsCredentials
  }
  /** Makes a key without a request, as the default caller. */
  createKey(options?: KmsKeyOptions): KmsKey
  /**
   * The credentials of a further caller, `arn:aws:iam::ACCOUNT:user/NAME`.
   *
   * @param name - 1 to 64 letters, digits, `.`, `_` or `-`; the same name gives the same caller
   */
  credentials(name: string): KmsCredentials & { readonly arn: string }
  /** Every request since the start, or since `clearCalls`, in the order of their answers. */
  readonly calls: readonly KmsCall[]
  clearCalls(): void
  /**
   * Makes requests fail, from now on.
   *
   * @returns removes the fault
   * @throws RangeError for `times` below 1
   */
  inject(fault: KmsFault): () => void
  /** Removes every fault. */
  clearFaults(): void
  /** Ends the server and every connection, also those that hang. */
  close(): Promise<void>
}

const ACCOUNT_ID = '111122223333'
const DEFAULT_REGION = 'eu-central-1'
const DEFAULT_CALLER = 'mortise'
const CALLER_NAME = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Starts an HTTP server on loopback that speaks the AWS KMS protocol, for tests: the real AWS client
 * talks to it, with real AES-GCM, encryption context, key states and checked signatures.
 *
 * Its keys live in memory and end with it. One emulator serves every Region: it is the one that the
 * client signs for. It needs no package of AWS.
 *
 * @returns the running emulator, which keeps the process alive until it is closed
 * @see docs/how-to/use-aws-kms.md
 */
export async function startKmsEmulator(options: KmsEmulatorOptions = {}): Promise<KmsEmulator> {
  const { region = DEFAULT_REGION, requestsPerSecond = Number.POSITIVE_INFINITY } = options
  const account = createAccount(ACCOUNT_ID)
  account.region(region)
  const callers = createCallers(account)
  const faults = createFaults()
  const calls: KmsCall[] = []
  const state: ServiceState = {
    account,
    callers: callers.byAccessKey,
    faults,
    countRequest: requestQuota(requestsPerSecond),
    record: (call) => void calls.push(call),
  }
  const server = await listen((request) => answer(state, request))
  const owner = callers.named(DEFAULT_CALLER)
  return Object.freeze({
    url: server.url,
    region,
    accountId: account.id,
    clientConfig: { endpoint: server.url, region, credentials: credentialsOf(owner) },
    createKey: (key: KmsKeyOptions = {}) =>
      makeKey(account, owner, { ...key, region: key.region ?? region }),
    credentials: (name: string) => ({ ...callers.named(name) }),
    calls,
    clearCalls: () => void calls.splice(0),
    inject: faults.inject,
    clearFaults: faults.clear,
    close: server.close,
  })
}

function makeKey(
  account: Account,
  owner: Caller,
  options: KmsKeyOptions & { readonly region: string },
): KmsKey {
  const { alias, region, keySpec, keyUsage, ...rest } = options
  const key = createKey({
    account: account.id,
    ...rest,
    region,
    owner: owner.arn,
    spec: keySpec,
    usage: keyUsage,
  })
  addKey(account, key)
  if (alias !== undefined) addAlias({ account, region: account.region(region) }, alias, key)
  return { keyId: key.keyId, arn: key.arn, region }
}

function createCallers(account: Account): {
  byAccessKey: ReadonlyMap<string, Caller>
  named(name: string): Caller
} {
  const byName = new Map<string, Caller>()
  const byAccessKey = new Map<string, Caller>()
  return {
    byAccessKey,
    named(name) {
      const known = byName.get(name)
      if (known !== undefined) return known
      const caller = createCaller(account, name)
      byName.set(name, caller)
      byAccessKey.set(caller.accessKeyId, caller)
      return caller
    },
  }
}

function createCaller(account: Account, name: string): Caller {
  if (!CALLER_NAME.test(name)) {
    throw new RangeError("the name of a caller is 1 to 64 letters, digits, '.', '_' or '-'")
  }
  return {
    arn: `arn:aws:iam::${account.id}:user/${name}`,
    accessKeyId: `AKIA${randomHex(8).toUpperCase()}`,
    secretAccessKey: randomBlob(30).toString('base64'),
  }
}

function credentialsOf({ accessKeyId, secretAccessKey }: Caller): KmsCredentials {
  return { accessKeyId, secretAccessKey }
}
