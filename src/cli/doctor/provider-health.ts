import type { ProviderHealth } from '../../keys/health'
import { type Found, ok, problem } from './finding'
import type { Setup } from './setup'

/** Every provider wraps and unwraps a key that is made for it, and the key store can be read. */
export async function checkProviderHealth({ health }: Setup): Promise<Found[]> {
  const { providers, store } = await health()
  return [
    ...providers.map(judge),
    store.ok
      ? ok('key store', `was read, at epoch ${store.epoch}`)
      : problem('key store', String(store.message), 'see docs/how-to/outages.md "By symptom"'),
  ]
}

function judge({ uri, ok: well, latencyMs, failure, message }: ProviderHealth): Found {
  if (well) return ok(uri, `wrapped and unwrapped a key in ${Math.round(latencyMs)} ms`)
  const kind = failure === null ? '' : ` (${failure})`
  return problem(uri, `${message}${kind}`, 'see docs/how-to/outages.md "By symptom"')
}
