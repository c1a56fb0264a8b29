import { expect, it } from 'vitest'
import { requestQuota } from '../../../src/testing/kms/request-quota'

it('counts each second and Region anew', () => {
  const count = requestQuota(2)
  count('eu-central-1', 1_000)
  count('eu-central-1', 1_999)
  expect(() => count('eu-central-1', 1_999)).toThrow(
    expect.objectContaining({ type: 'ThrottlingException', status: 400 }),
  )
  expect(() => count('us-east-1', 1_999)).not.toThrow()
  expect(() => count('eu-central-1', 2_000)).not.toThrow()
})
