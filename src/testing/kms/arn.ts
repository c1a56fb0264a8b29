/**
 * The ARN of a key or an alias.
 *
 * @param resource - `key/ID` or `alias/NAME`
 */
export function kmsArn(accountId: string, region: string, resource: string): string {
  return `arn:aws:kms:${region}:${accountId}:${resource}`
}
