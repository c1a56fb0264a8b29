import { KMSClient } from '@aws-sdk/client-kms'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type KmsEmulator, startKmsEmulator } from '../../../src/testing'

/** An emulator and the real client of it, for the tests of one file. */
export interface Running {
  readonly kms: KmsEmulator
  /** The default caller in the default Region; one attempt for each call. */
  readonly client: KMSClient
  /** A client of another caller or Region; it is closed with the others. */
  clientOf(options: { caller?: string; region?: string }): KMSClient
}

/** Starts it before the tests of the file, and clears its faults and calls after each of them. */
export function runEmulator(): Running {
  const clients: KMSClient[] = []
  const running: { -readonly [K in keyof Running]?: Running[K] } = {}
  running.clientOf = ({ caller, region }) => {
    const kms = running.kms as KmsEmulator
    const client = new KMSClient({
      ...kms.clientConfig,
      ...(region !== undefined && { region }),
      ...(caller !== undefined && { credentials: kms.credentials(caller) }),
      maxAttempts: 1,
    })
    clients.push(client)
    return client
  }
  beforeAll(async () => {
    running.kms = await startKmsEmulator()
    running.client = (running as Running).clientOf({})
  })
  afterEach(() => {
    running.kms?.clearFaults()
    running.kms?.clearCalls()
  })
  afterAll(async () => {
    for (const client of clients) client.destroy()
    await running.kms?.close()
  })
  return running as Running
}

/** The name of the error that a call rejects with, or `ok`. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'ok',
    (error: Error) => error.name,
  )
}
