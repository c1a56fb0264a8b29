import { randomUuid } from '../random'
import type { Account, Caller } from './account'
import type { SignedRequest } from './authorization'
import type { KmsCall } from './call-log'
import { claimedKeyId } from './ciphertext'
import { countsAgainstQuota, dispatch, operationOf, parseBody } from './dispatch'
import type { Faults, ImmediateEffect } from './fault'
import { faultError } from './fault-error'
import { findKey } from './find-key'
import { KmsError } from './kms-error'
import type { EncryptionContext, Parameters } from './parameters'
import type { KmsRequest } from './request'
import { verifySignature } from './signature'

/** What a request is answered with; `hang` and `reset` are no answer at all. */
export type Reply =
  | 'hang'
  | 'reset'
  | {
      readonly status: number
      readonly requestId: string
      /** The type of an error; null for a success. */
      readonly error: string | null
      readonly body: string
    }

/** What a service answers from. */
export interface ServiceState {
  readonly account: Account
  readonly callers: ReadonlyMap<string, Caller>
  readonly faults: Faults
  /** Counts a request against the quota of its Region; throws ThrottlingException. */
  readonly countRequest: (region: string, now: number) => void
  /** Receives every request, once it is known what comes of it. */
  readonly record: (call: KmsCall) => void
}

/** The KMS protocol without HTTP: checks, logs and answers one request. */
export async function answer(state: ServiceState, signed: SignedRequest): Promise<Reply> {
  let call: KmsCall = {
    operation: operationOf(String(signed.headers['x-amz-target'] ?? '')),
    region: '',
    caller: '',
    keyId: null,
    keyArn: null,
    sourceKeyArn: null,
    encryptionContext: null,
    outcome: 'ok',
    requestId: randomUuid(),
    at: new Date(),
  }
  try {
    const request = authenticate(state, signed, call)
    call = describeCall(call, request)
    const { latencyMs, effect } = state.faults.take(call)
    if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs))
    return finish(state, call, perform(state, call, request, effect))
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    return finish(state, call, errorReply(call, error))
  }
}

function authenticate(state: ServiceState, signed: SignedRequest, call: KmsCall): KmsRequest {
  const { account, callers } = state
  const { caller, region } = verifySignature(signed, (id) => callers.get(id), call.at.getTime())
  if (signed.method !== 'POST' || signed.target !== '/') {
    throw new KmsError('UnknownOperationException', '', 404)
  }
  const input = parseBody(signed.body)
  return { operation: call.operation, input, account, region: account.region(region), caller }
}

function perform(
  state: ServiceState,
  call: KmsCall,
  request: KmsRequest,
  effect: ImmediateEffect | null,
): Reply {
  if (effect === 'hang' || effect === 'reset') return effect
  if (typeof effect === 'string') throw faultError(effect, call)
  if (effect !== null && 'status' in effect) return reply(call, effect.status, null, effect.body)
  if (countsAgainstQuota(call.operation)) state.countRequest(call.region, call.at.getTime())
  const result = dispatch(request)
  if (effect !== null) return reply(call, 200, null, JSON.stringify(effect.alter({ ...result })))
  return reply(call, 200, null, result === undefined ? '' : JSON.stringify(result))
}

/** Before the fault is chosen: a fault may be for one key, however the request names it. */
function describeCall(call: KmsCall, request: KmsRequest): KmsCall {
  const { input, region, caller } = request
  const keyId = ['KeyId', 'DestinationKeyId', 'TargetKeyId'].map((name) => input[name]).find(isText)
  const source = isText(input.SourceKeyId) ? input.SourceKeyId : null
  const reEncrypts = call.operation === 'ReEncrypt'
  const contexts = [input.EncryptionContext, input.DestinationEncryptionContext]
  return {
    ...call,
    region: region.name,
    caller: caller.arn,
    keyId: keyId ?? null,
    keyArn: keyArnOf(request, keyId ?? blobKeyId(input)),
    sourceKeyArn: reEncrypts ? keyArnOf(request, source ?? blobKeyId(input)) : null,
    encryptionContext: contexts.find(isContext) ?? null,
  }
}

function keyArnOf(request: KmsRequest, keyId: string | null): string | null {
  if (keyId === null) return null
  try {
    return findKey(request, keyId, 'aliases').arn
  } catch (error) {
    if (error instanceof KmsError) return null
    throw error
  }
}

function blobKeyId({ CiphertextBlob }: Parameters): string | null {
  return isText(CiphertextBlob) ? claimedKeyId(Buffer.from(CiphertextBlob, 'base64')) : null
}

function isContext(value: unknown): value is EncryptionContext {
  return typeof value === 'object' && value !== null && Object.values(value).every(isText)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function finish(state: ServiceState, call: KmsCall, result: Reply): Reply {
  state.record(Object.freeze({ ...call, outcome: outcomeOf(result) }))
  return result
}

function outcomeOf(result: Reply): string {
  if (typeof result === 'string') return result
  return result.error ?? (result.status === 200 ? 'ok' : `HTTP ${result.status}`)
}

function errorReply(call: KmsCall, { type, status, message }: KmsError): Reply {
  const body = message === '' ? { __type: type } : { __type: type, message }
  return reply(call, status, type, JSON.stringify(body))
}

function reply(call: KmsCall, status: number, error: string | null, body: string): Reply {
  return { status, requestId: call.requestId, error, body }
}
