import type { KeyProvider } from '../../providers/provider'
import { randomBlob } from '../random'
import { CONTEXT, CONTEXTS, describeContext, sampleKey, withFlippedBit } from './samples'
import { type Clause, type FullTarget, withProvider } from './target'
import { ensure, integrityRefusal, refusal } from './violation'

/** How often the same wrong wrap is tried where its error must not vary. */
const REPEATS = 3

/** A wrap opens as it was made, for the key that it was made for, or not at all. */
export const integrityClauses: readonly Clause[] = [
  ['binds use, domain, purpose, id and version into the wrap', bindsContext],
  ['refuses a wrap with a changed bit in any byte', refusesChangedBits],
  ['refuses a wrap that is cut, extended, empty or foreign', refusesOtherBytes],
  ['refuses the wrap of another root key', refusesOtherRoot, 'createOther'],
  ['refuses a wrong wrap in the same way every time', refusesAlike],
]

async function bindsContext(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    for (const [index, context] of CONTEXTS.entries()) {
      const wrapped = await provider.wrapKey(sampleKey(), context)
      // Each is tried under the usual context, its neighbours in the list included: those are alike.
      const others = [CONTEXTS[index - 1], CONTEXTS[index + 1], CONTEXT].filter(
        (other) => other !== undefined && other !== context,
      )
      for (const other of others as (typeof CONTEXT)[]) {
        const what = `a wrap for ${describeContext(context)} opened as ${describeContext(other)}`
        await integrityRefusal(() => provider.unwrapKey(wrapped, other), what)
      }
    }
  })
}

async function refusesChangedBits(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const wrapped = await provider.wrapKey(sampleKey(), CONTEXT)
    for (const offset of wrapped.keys()) {
      const changed = withFlippedBit(wrapped, offset, offset % 8)
      const what = `bit ${offset % 8} of byte ${offset} changed`
      await integrityRefusal(() => provider.unwrapKey(changed, CONTEXT), what)
    }
  })
}

async function refusesOtherBytes(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const wrapped = Buffer.from(await provider.wrapKey(sampleKey(), CONTEXT))
    for (const [what, bytes] of wrongWraps(wrapped)) {
      await integrityRefusal(() => provider.unwrapKey(bytes, CONTEXT), what)
    }
  })
}

function wrongWraps(wrapped: Buffer): [what: string, bytes: Buffer][] {
  const { length } = wrapped
  const cuts = [1, 8, length >> 1, length - 8, length - 1].filter((at) => at > 0 && at < length)
  return [
    ['an empty wrap', Buffer.alloc(0)],
    ...cuts.map((at): [string, Buffer] => [`cut to ${at} bytes`, wrapped.subarray(0, at)]),
    ['without its first byte', wrapped.subarray(1)],
    ['one byte longer', Buffer.concat([wrapped, Buffer.alloc(1)])],
    ['8 bytes longer', Buffer.concat([wrapped, Buffer.alloc(8)])],
    ['doubled', Buffer.concat([wrapped, wrapped])],
    ['as many zeros', Buffer.alloc(length)],
    ['as many random bytes', randomBlob(length)],
    ['1,024 random bytes', randomBlob(1024)],
  ]
}

async function refusesOtherRoot({ create, createOther }: FullTarget): Promise<void> {
  const wrapped = await withProvider(createOther, (other) => other.wrapKey(sampleKey(), CONTEXT))
  const error = await withProvider(create, (provider) =>
    refusal(() => provider.unwrapKey(wrapped, CONTEXT), 'a wrap of another root key'),
  )
  const refused = error.code === 'ERR_KEY_INTEGRITY' || error.failure === 'state'
  ensure(refused, `a wrap of another root key: rejected with ${error.code}, ${error.failure}`)
}

async function refusesAlike(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const wrapped = await provider.wrapKey(sampleKey(), CONTEXT)
    const wrong = withFlippedBit(wrapped, wrapped.length - 1, 0)
    const seen = new Set<string>()
    for (let i = 0; i < REPEATS; i++) seen.add(await codeOf(provider, wrong))
    ensure(seen.size === 1, `one wrong wrap gave ${[...seen].join(' and ')}`)
    await provider.unwrapKey(wrapped, CONTEXT)
  })
}

async function codeOf(provider: KeyProvider, wrong: Uint8Array): Promise<string> {
  const { code, failure, retryable } = await refusal(
    () => provider.unwrapKey(wrong, CONTEXT),
    'a changed wrap',
  )
  return `${code} (${failure}, ${retryable ? 'retryable' : 'final'})`
}
