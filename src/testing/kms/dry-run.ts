import { KmsError } from './kms-error'
import { flag, type Parameters } from './parameters'

/**
 * Ends a dry run. Called last: a dry run finds every error that the real request would.
 *
 * @throws DryRunOperationException
 */
export function endDryRun(input: Parameters): void {
  if (!flag(input, 'DryRun')) return
  throw new KmsError(
    'DryRunOperationException',
    'The request would have succeeded, but the DryRun option is set.',
  )
}
