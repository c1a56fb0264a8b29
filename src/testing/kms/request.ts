import type { Account, Caller, Region } from './account'
import type { Parameters } from './parameters'

/** A request whose signature was checked. */
export interface KmsRequest {
  readonly operation: string
  readonly input: Parameters
  readonly account: Account
  readonly region: Region
  readonly caller: Caller
}

/** Answers a request with the JSON body; undefined where the operation answers nothing. */
export type Operation = (request: KmsRequest) => object | undefined
/** Operations by the name that X-Amz-Target gives. */
export type Operations = Readonly<Record<string, Operation>>
