import { KmsError } from './kms-error'

/**
 * A quota of requests in each second and Region, shared by the cryptographic operations as AWS
 * shares it.
 *
 * @param perSecond - requests; Infinity for none
 * @returns counts a request, at `now` in milliseconds, and throws ThrottlingException above the quota
 */
export function requestQuota(perSecond: number): (region: string, now: number) => void {
  const windows = new Map<string, { second: number; count: number }>()
  return (region, now) => {
    const second = Math.floor(now / 1000)
    const last = windows.get(region)
    const count = last?.second === second ? last.count + 1 : 1
    windows.set(region, { second, count })
    if (count > perSecond) throw throttled()
  }
}

/** The error of a caller that asks too often. */
export function throttled(): KmsError {
  return new KmsError(
    'ThrottlingException',
    'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.',
  )
}
