// Where a root key can be: in the process, in a KMS, in an HSM.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { KMSClient } from '@aws-sdk/client-kms'
import { awsKmsKeyProvider } from '../../dist/aws-kms.mjs'
import { generateRootKey, inAppKeyProvider } from '../../dist/index.mjs'
import { pkcs11KeyProvider } from '../../dist/pkcs11.mjs'

/** @returns functions that make a provider; `hsm` is null where SoftHSM is not installed */
export async function startProviders() {
  const secret = generateRootKey()
  const closers = []
  return {
    inApp: () => inAppKeyProvider({ name: 'bench', secret }),
    hsm: setUpHsm(closers),
    kms: await startKms(closers, 0),
    slowKms: await startKms(closers, 10),
    async close() {
      for (const close of closers) await close()
    },
  }
}

async function startKms(closers, latencyMs) {
  const worker = new Worker(new URL('./kms-worker.mjs', import.meta.url), {
    workerData: { latencyMs },
  })
  const { clientConfig, keyId } = await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  const client = new KMSClient(clientConfig)
  closers.push(() => {
    client.destroy()
    return worker.terminate()
  })
  return () => awsKmsKeyProvider({ keyId, client })
}

function setUpHsm(closers) {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-bench-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const script = resolve(import.meta.dirname, '../../scripts/hsm-setup.mjs')
  try {
    const args = [script, '--json', '--no-install', '--folder', folder]
    const { module, conf, pinFile } = JSON.parse(
      execFileSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    )
    process.env.SOFTHSM2_CONF = conf
    const pin = readFileSync(pinFile, 'utf8').trim()
    return () => pkcs11KeyProvider({ module, token: 'mortise-dev', key: 'mortise-root', pin })
  } catch {
    return null
  }
}
