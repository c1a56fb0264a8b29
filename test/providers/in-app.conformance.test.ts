import { describe, it } from 'vitest'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import { providerConformance } from '../../src/testing/provider-conformance'

const secret = generateRootKey()

describe('inAppKeyProvider keeps the contract of providers', () => {
  const checks = providerConformance({
    create: () => inAppKeyProvider({ name: 'primary', secret }),
    createOther: () => inAppKeyProvider({ name: 'other', secret: generateRootKey() }),
    secrets: [secret, Buffer.from(secret, 'base64url')],
  })
  for (const { name, run } of checks) it(name, run)
})
