import type { KeyProvider } from '../../providers/provider'
import { CONTEXT, sampleKey } from './samples'
import { ensureNoSecret, shownText } from './shown-text'
import { type Clause, type FullTarget, withProvider } from './target'
import { ensure, refusal } from './violation'

/** Far longer than any provider needs that does end its call. */
const PATIENCE_MS = 10_000

/** Opening, giving up, failing and closing. */
export const lifecycleClauses: readonly Clause[] = [
  ['may be opened more than once', opensAgain],
  ['ends a call whose signal has aborted', endsAbortedCalls],
  ['stops waiting for its service when the signal aborts', stopsWaiting, 'createHanging'],
  ['says that a service it cannot reach may be back later', reportsOutage, 'createUnavailable'],
  ['may be closed more than once, and refuses every use afterwards', closes],
]

async function opensAgain(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const { uri } = provider
    await Promise.all([provider.open?.(), provider.open?.()])
    ensure(provider.uri === uri, 'the URI changed when the provider was opened again')
    await provider.unwrapKey(await provider.wrapKey(sampleKey(), CONTEXT), CONTEXT)
  })
}

/** A provider without I/O may answer nevertheless; none may wait, or be spoilt for the next call. */
async function endsAbortedCalls(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const wrapped = await provider.wrapKey(sampleKey(), CONTEXT)
    const options = { signal: AbortSignal.abort() }
    await settles(provider.wrapKey(sampleKey(), CONTEXT, options), 'wrapKey')
    await settles(provider.unwrapKey(wrapped, CONTEXT, options), 'unwrapKey')
    await provider.unwrapKey(wrapped, CONTEXT)
  })
}

async function stopsWaiting({ create, createHanging }: FullTarget): Promise<void> {
  const wrapped = await withProvider(create, (provider) => provider.wrapKey(sampleKey(), CONTEXT))
  const provider = await createHanging()
  const controller = new AbortController()
  const call = useProvider(provider, wrapped, controller.signal)
  setImmediate(() => controller.abort())
  await settles(call, 'a call that hangs')
  await provider.close?.()
}

async function reportsOutage(target: FullTarget): Promise<void> {
  const { create, createUnavailable, secrets } = target
  const wrapped = await withProvider(create, (provider) => provider.wrapKey(sampleKey(), CONTEXT))
  const provider = await createUnavailable()
  const error = await refusal(() => useProvider(provider, wrapped), 'a service out of reach')
  const passing = error.failure === 'transient' || error.failure === 'session'
  ensure(
    error.code === 'ERR_KEY_PROVIDER' && passing,
    `a service out of reach: rejected with ${error.code}, ${error.failure}; neither transient nor session`,
  )
  ensure(error.retryable, 'a service out of reach: the error is not retryable')
  ensure(error.message.includes(provider.uri), 'the message does not name the URI of the provider')
  ensureNoSecret(shownText(error), secrets, 'the error of a service out of reach')
  await provider.close?.()
}

async function closes(target: FullTarget): Promise<void> {
  const provider = await target.create()
  await provider.open?.()
  const wrapped = await provider.wrapKey(sampleKey(), CONTEXT)
  if (provider.close === undefined) return
  await provider.close()
  await provider.close()
  const calls = [
    () => provider.wrapKey(sampleKey(), CONTEXT),
    () => provider.unwrapKey(wrapped, CONTEXT),
  ]
  for (const call of calls) {
    const error = await refusal(call, 'a closed provider')
    ensure(error.code === 'ERR_CLOSED', `a closed provider: rejected with ${error.code}`)
  }
}

/** A service may already fail where the provider is opened. */
async function useProvider(
  provider: KeyProvider,
  wrapped: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const options = signal === undefined ? {} : { signal }
  await provider.open?.(options)
  await provider.unwrapKey(wrapped, CONTEXT, options)
}

async function settles(call: Promise<unknown>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, 'late')
  })
  const ended = call.then(
    () => 'ended',
    () => 'ended',
  )
  const outcome = await Promise.race([ended, patience])
  clearTimeout(timer)
  ensure(outcome === 'ended', `${what} went on after its signal had aborted`)
}
