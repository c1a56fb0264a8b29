import { describe, expect, it } from 'vitest'
import { MortiseError } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import { ignoreEvent } from '../../src/keys/events'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import { ProviderSet } from '../../src/keys/provider-set'
import { rejection } from './fixtures'
import { type FaultyProvider, faultyProvider } from './scripted-calls'

const denied = () => new MortiseError('ERR_KEY_PROVIDER', 'denied', { failure: 'state' })

function setOf(...providers: FaultyProvider[]): ProviderSet {
  const times = { timeoutMs: 2_000, deadlineMs: 10_000 }
  return new ProviderSet(providers, {
    times,
    emit: ignoreEvent,
    closed: new AbortController().signal,
  })
}

describe('a provider', () => {
  it('is opened once before its first use, however many ask', async () => {
    const provider = faultyProvider('alias', 'arn')
    const set = setOf(provider)
    expect(set.uris).toEqual(['in-app:alias'])
    const [first, found] = await Promise.all([set.first(), set.get('in-app:arn'), set.list()])
    expect(first).toBe(found)
    expect(set.uris).toEqual(['in-app:arn'])
    await set.get('in-app:arn')
    expect(provider.calls).toEqual(['open'])
  })

  it('is opened again after that failed', async () => {
    const provider = faultyProvider()
    const set = setOf(provider)
    provider.script = denied
    await rejection(set.first(), 'ERR_KEY_PROVIDER')
    provider.script = undefined
    await set.first()
    expect(provider.calls).toEqual(['open', 'open'])
  })

  it('whose URI is unusable after opening is refused', async () => {
    const bad = { ...faultyProvider(), uri: 'two words' }
    await rejection(setOf(bad).first(), 'ERR_CONFIG')
  })

  it('that another one turns out to be is refused, and at start', async () => {
    const [one, twin] = [faultyProvider('one', 'same'), faultyProvider('two', 'same')]
    const set = setOf(one, twin)
    await rejection(set.checkDistinct(), 'ERR_CONFIG')
    const keyring = createKeyring({
      providers: [faultyProvider('one', 'same'), faultyProvider('two', 'same')],
      store: memoryKeyStore(),
    })
    const error = await rejection(keyring.ready(), 'ERR_CONFIG')
    expect(error.message).toContain('in-app:same')
  })
})

describe('a look-up', () => {
  it('finds a provider although another one cannot be opened', async () => {
    const [down, up] = [faultyProvider('alias', 'arn'), faultyProvider('up')]
    down.script = denied
    const set = setOf(down, up)
    expect((await set.get('in-app:up'))?.uri).toBe('in-app:up')
    expect(down.calls).toEqual([])
    expect((await set.list()).map(({ uri }) => uri)).toEqual(['in-app:alias', 'in-app:up'])
  })

  it('fails with the error of one that cannot be opened and may be the one', async () => {
    const [down, up] = [faultyProvider('alias', 'arn'), faultyProvider('up')]
    down.script = denied
    const error = await rejection(setOf(up, down).get('in-app:arn'), 'ERR_KEY_PROVIDER')
    expect(error.message).toBe('denied')
  })

  it('finds nothing where all are open and none is it', async () => {
    const set = setOf(faultyProvider('one'), faultyProvider('two', 'three'))
    expect(await set.get('in-app:two')).toBeUndefined()
  })

  it('does not open providers that are not needed', async () => {
    const [one, two] = [faultyProvider('one'), faultyProvider('two')]
    await setOf(one, two).get('in-app:two')
    expect([one.calls, two.calls]).toEqual([[], ['open']])
  })
})

describe('the allow-list', () => {
  it('grows behind its end and shrinks, closing what leaves it', async () => {
    const [one, two] = [faultyProvider('one'), faultyProvider('two', 'second')]
    const set = setOf(one)
    const added = await set.add(two)
    expect(set.uris).toEqual(['in-app:one', 'in-app:second'])
    expect(await set.add(two)).toBe(added)
    expect(await set.remove('in-app:one')).toBe(true)
    expect(await set.remove('in-app:one')).toBe(false)
    expect((await set.first()).uri).toBe('in-app:second')
    expect(one.calls).toEqual(['open', 'close'])
  })

  it('keeps the provider that it has under a URI', async () => {
    const [one, other] = [faultyProvider('one'), faultyProvider('one')]
    const set = setOf(one)
    const results = await Promise.all([set.add(other), set.add(faultyProvider('one'))])
    expect(results.every((member) => member.guards(one))).toBe(true)
    expect(set.uris).toEqual(['in-app:one'])
  })

  it('does not add one that cannot be opened', async () => {
    const [one, two] = [faultyProvider('one'), faultyProvider('two')]
    two.script = denied
    const set = setOf(one)
    await rejection(set.add(two), 'ERR_KEY_PROVIDER')
    expect(set.uris).toEqual(['in-app:one'])
  })

  it('holds eight at most, and one at least', async () => {
    const eight = Array.from({ length: 8 }, (_, i) => faultyProvider(`p${i}`))
    const full = setOf(...eight)
    const error = await rejection(full.add(faultyProvider('ninth')), 'ERR_CONFIG')
    expect(error.message).toContain('in-app:ninth')
    const set = setOf(faultyProvider('one'))
    await set.first()
    await rejection(set.remove('in-app:one'), 'ERR_CONFIG')
  })

  it('is closed to the last one, whatever fails', async () => {
    const [one, two] = [faultyProvider('one'), faultyProvider('two')]
    one.script = () => new Error('stuck')
    await expect(setOf(one, two).close()).rejects.toThrow('stuck')
    expect([one.calls, two.calls]).toEqual([['close'], ['close']])
  })
})

describe('a keyring', () => {
  it('stores the URI that opening gave', async () => {
    const store = memoryKeyStore()
    const keyring = createKeyring({ providers: [faultyProvider('alias', 'arn')], store })
    await keyring.ready()
    const { keys } = await store.loadKeys('default')
    expect(keys.map(({ wraps }) => wraps[0]?.providerUri)).toEqual(['in-app:arn', 'in-app:arn'])
    expect(JSON.stringify(keyring)).toContain('in-app:arn')
  })

  it('opens keys by a provider beside one that cannot be opened', async () => {
    const store = memoryKeyStore()
    const good = faultyProvider('good')
    await createKeyring({ providers: [good], store }).ready()
    const bad = faultyProvider('bad')
    bad.script = denied
    await keyAccess(createKeyring({ providers: [bad, good], store })).sealingKey()
    const missing = createKeyring({ providers: [bad], store })
    const error = await rejection(keyAccess(missing).sealingKey(), 'ERR_KEY_PROVIDER')
    expect(error.message).toBe('denied')
  })
})
