import type { KeyProvider } from '../../providers/provider'
import { CONTEXT, sampleKey, withFlippedBit } from './samples'
import { type Clause, type FullTarget, withProvider } from './target'
import { ensure, ensureSameBytes, integrityRefusal } from './violation'

/** Of providers that can rewrap; the others satisfy them without doing anything. */
export const rewrapClauses: readonly Clause[] = [
  ['rewraps its own wraps, if it can, under the same context', rewrapsOwn],
  ['rewraps the wraps of another root key correctly or answers null', rewrapsOther, 'createOther'],
  ['answers null for a wrap of another kind of provider', refusesForeign],
  ['rewraps nothing that does not authenticate', rewrapsNothingWrong],
]

async function rewrapsOwn(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const key = sampleKey()
    const wrapped = await provider.wrapKey(key, CONTEXT)
    const rewrapped = await provider.rewrapKey?.(wrapped, CONTEXT, provider.uri)
    if (rewrapped == null) return
    await ensureOpens(provider, rewrapped, key)
    await ensureOpens(provider, wrapped, key)
  })
}

async function rewrapsOther({ create, createOther }: FullTarget): Promise<void> {
  const key = sampleKey()
  const source = await withProvider(createOther, async (other) => ({
    uri: other.uri,
    wrapped: await other.wrapKey(key, CONTEXT),
  }))
  await withProvider(create, async (provider) => {
    // Under one URI nobody could tell which root key a wrap is from.
    if (source.uri === provider.uri) return
    const rewrapped = await provider.rewrapKey?.(source.wrapped, CONTEXT, source.uri)
    if (rewrapped != null) await ensureOpens(provider, rewrapped, key)
  })
}

async function refusesForeign(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const rewrapped = await provider.rewrapKey?.(sampleKey(), CONTEXT, 'conformance:another-kind')
    ensure(rewrapped == null, 'a wrap of an unknown kind of provider was rewrapped')
  })
}

async function rewrapsNothingWrong(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const wrapped = await provider.wrapKey(sampleKey(), CONTEXT)
    if ((await provider.rewrapKey?.(wrapped, CONTEXT, provider.uri)) == null) return
    const rewrap = (bytes: Uint8Array, context = CONTEXT) =>
      provider.rewrapKey?.(bytes, context, provider.uri) ?? Promise.resolve()
    const changed = withFlippedBit(wrapped, wrapped.length - 1, 0)
    await integrityRefusal(() => rewrap(changed), 'rewrapping a changed wrap')
    const other = { ...CONTEXT, version: CONTEXT.version + 1 }
    await integrityRefusal(() => rewrap(wrapped, other), 'rewrapping under another context')
  })
}

async function ensureOpens(
  provider: KeyProvider,
  wrapped: Uint8Array,
  key: Uint8Array,
): Promise<void> {
  const opened = await provider.unwrapKey(wrapped, CONTEXT)
  ensureSameBytes(opened, key, 'another key came out of a rewrapped wrap')
  const other = { ...CONTEXT, domain: 'other' }
  await integrityRefusal(() => provider.unwrapKey(wrapped, other), 'a rewrap under another domain')
}
