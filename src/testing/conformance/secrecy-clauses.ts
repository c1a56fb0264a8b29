import type { KeyProvider } from '../../providers/provider'
import { CONTEXT, sampleKey, withFlippedBit } from './samples'
import { ensureNoSecret, shownText } from './shown-text'
import { type Clause, type FullTarget, withProvider } from './target'
import { ensure, rejection } from './violation'

const URI = /^[\x21-\x7e]{1,2048}$/

/** What is stored and logged is not secret. */
export const secrecyClauses: readonly Clause[] = [
  [
    'has a URI of 1 to 2,048 printable characters, the same every time, without a secret',
    namesItself,
  ],
  ['shows no key and no secret of its own when it is printed', printsNoSecret],
  ['shows no key, wrap or secret in its errors', errorsShowNoSecret],
]

async function namesItself(target: FullTarget): Promise<void> {
  const uris = await withProvider(target.create, async (provider) => {
    const opened = provider.uri
    await provider.wrapKey(sampleKey(), CONTEXT)
    return [opened, provider.uri]
  })
  const uri = await withProvider(target.create, async (provider) => provider.uri)
  ensure(URI.test(uri), 'the URI is not 1 to 2,048 printable ASCII characters without space')
  ensure(
    uris.every((other) => other === uri),
    'the URI changes between calls or instances',
  )
  ensureNoSecret(uri, target.secrets, 'the URI')
}

async function printsNoSecret(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const key = sampleKey()
    await provider.unwrapKey(await provider.wrapKey(key, CONTEXT), CONTEXT)
    ensureNoSecret(shownText(provider), [key, ...target.secrets], 'the printed provider')
  })
}

async function errorsShowNoSecret(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const key = sampleKey()
    const wrapped = Buffer.from(await provider.wrapKey(key, CONTEXT))
    const last = wrapped.length - 1
    const calls: [what: string, call: () => Promise<unknown>][] = [
      ['a changed wrap', () => provider.unwrapKey(withFlippedBit(wrapped, last, 0), CONTEXT)],
      ['another context', () => provider.unwrapKey(wrapped, { ...CONTEXT, version: 4 })],
      ['a key of 31 bytes', () => provider.wrapKey(key.subarray(1), CONTEXT)],
    ]
    const secrets = [key, key.subarray(1), wrapped, ...target.secrets]
    for (const [what, call] of calls) await showsNoSecret(provider, what, call, secrets)
  })
}

async function showsNoSecret(
  provider: KeyProvider,
  what: string,
  call: () => Promise<unknown>,
  secrets: readonly (string | Uint8Array)[],
): Promise<void> {
  const error = await rejection(call, what)
  ensureNoSecret(shownText(error), secrets, `the error of ${provider.uri} for ${what}`)
}
