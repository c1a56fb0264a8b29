import { execFile, spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { runEmulator } from './running'

const installed = spawnSync('python3', ['-c', 'import botocore']).status === 0

if (!installed) {
  it.skip('KMS emulator and botocore (to run it: apt-get install python3-botocore)', () => {})
} else {
  describe('KMS emulator and botocore', () => {
    const running = runEmulator()

    it('agree on the protocol and its signatures', async () => {
      const { url, region, clientConfig } = running.kms
      const { accessKeyId, secretAccessKey } = clientConfig.credentials
      const script = resolve(__dirname, 'client.py')
      const args = [script, url, region, accessKeyId, secretAccessKey]
      const { stdout } = await promisify(execFile)('python3', args)
      expect(JSON.parse(stdout)).toEqual({
        created: true,
        arn: true,
        opened: true,
        length: 32,
        moved: [true, true],
        aliases: ['alias/botocore'],
        disabled: 'DisabledException',
        pending: 'KMSInvalidStateException',
        unknown: 'NotFoundException',
        secret: 'InvalidSignatureException',
      })
    })
  })
}
