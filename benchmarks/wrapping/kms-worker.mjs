// An AWS KMS emulator in a thread of its own, so that it does not share the event loop that is
// measured. Posts the client's configuration and a key; ends with the thread.
import { parentPort, workerData } from 'node:worker_threads'
import { startKmsEmulator } from '../../dist/testing/index.mjs'

const emulator = await startKmsEmulator()
const { keyId } = emulator.createKey()
if (workerData.latencyMs > 0) emulator.inject({ effect: { latencyMs: workerData.latencyMs } })
parentPort.postMessage({ clientConfig: emulator.clientConfig, keyId })
