import { type KeyProvider, MAX_WRAPPED_BYTES } from '../../providers/provider'
import { CONTEXT, CONTEXTS, describeContext, sampleKey } from './samples'
import { type Clause, type FullTarget, withProvider } from './target'
import { ensure, ensureSameBytes, rejection } from './violation'

const PARALLEL_CALLS = 64
/** Keys are bytes like any others to a provider, also these. */
const UNUSUAL_KEYS = [Buffer.alloc(32), Buffer.alloc(32, 0xff)]
const WRONG_LENGTHS = [0, 1, 16, 31, 33, 64]

/** What goes in comes out, and nobody else's memory is touched. */
export const roundTripClauses: readonly Clause[] = [
  ['opens under every context what it wrapped under it', roundTrips],
  ['opens what another instance with the same root key wrapped', opensAcrossInstances],
  ['wraps 32 bytes of any value and no other length', wrapsKeysOnly],
  [`makes wraps of 1 to ${MAX_WRAPPED_BYTES} bytes that do not hold the key in clear`, hidesKey],
  ['leaves the bytes that it is given as they are', leavesInput],
  ['gives a new array each time, which its caller may zero', givesOwnedArrays],
  [`serves ${PARALLEL_CALLS} calls at once without mixing them up`, servesInParallel],
]

async function roundTrips(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    for (const context of CONTEXTS) {
      const key = sampleKey()
      const opened = await provider.unwrapKey(await provider.wrapKey(key, context), context)
      ensureSameBytes(opened, key, `another key came out under ${describeContext(context)}`)
    }
  })
}

async function opensAcrossInstances(target: FullTarget): Promise<void> {
  const key = sampleKey()
  const wrapped = await withProvider(target.create, (provider) => provider.wrapKey(key, CONTEXT))
  const opened = await withProvider(target.create, (provider) =>
    provider.unwrapKey(wrapped, CONTEXT),
  )
  ensureSameBytes(opened, key, 'another key came out of the second instance')
}

async function wrapsKeysOnly(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    for (const key of UNUSUAL_KEYS) {
      const opened = await provider.unwrapKey(await provider.wrapKey(key, CONTEXT), CONTEXT)
      ensureSameBytes(opened, key, 'another key came out for 32 equal bytes')
    }
    for (const length of WRONG_LENGTHS) {
      await rejection(
        () => provider.wrapKey(Buffer.alloc(length, 7), CONTEXT),
        `${length} key bytes`,
      )
    }
  })
}

async function hidesKey(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const key = sampleKey()
    const wrapped = Buffer.from(await provider.wrapKey(key, CONTEXT))
    const fits = wrapped.length >= 1 && wrapped.length <= MAX_WRAPPED_BYTES
    ensure(fits, `the wrap has ${wrapped.length} bytes`)
    // Half of it would be enough to guess the rest.
    const halves = [key.subarray(0, 16), key.subarray(16)]
    ensure(!halves.some((half) => wrapped.includes(half)), 'the wrap holds the key in clear')
  })
}

async function leavesInput(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const key = sampleKey()
    const given = new Uint8Array(key)
    const wrapped = await provider.wrapKey(given, CONTEXT)
    ensureSameBytes(given, key, 'wrapKey changed the key that it was given')
    const copy = new Uint8Array(wrapped)
    await provider.unwrapKey(copy, CONTEXT)
    ensureSameBytes(copy, wrapped, 'unwrapKey changed the wrap that it was given')
  })
}

async function givesOwnedArrays(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const key = sampleKey()
    const given = new Uint8Array(key)
    const wrapped = await provider.wrapKey(given, CONTEXT)
    given.fill(0)
    const [first, second] = [await open(provider, wrapped), await open(provider, wrapped)]
    first.fill(0)
    ensureSameBytes(second, key, 'zeroing one key changed another one')
    second.fill(0)
    ensureSameBytes(await open(provider, wrapped), key, 'zeroing a key changed the next one')
  })
}

function open(provider: KeyProvider, wrapped: Uint8Array): Promise<Uint8Array> {
  return provider.unwrapKey(new Uint8Array(wrapped), CONTEXT)
}

async function servesInParallel(target: FullTarget): Promise<void> {
  await withProvider(target.create, async (provider) => {
    const keys = Array.from({ length: PARALLEL_CALLS }, sampleKey)
    const contextOf = (index: number) => ({ ...CONTEXT, version: index + 1 })
    const wraps = await Promise.all(keys.map((key, i) => provider.wrapKey(key, contextOf(i))))
    const opened = await Promise.all(wraps.map((wrap, i) => provider.unwrapKey(wrap, contextOf(i))))
    for (const [index, key] of keys.entries()) {
      ensureSameBytes(opened[index] as Uint8Array, key, 'another key came out of parallel calls')
    }
  })
}
