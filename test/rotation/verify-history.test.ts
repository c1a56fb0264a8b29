import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HistoryLink } from '../../src/key-store/history'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import type { Keyring } from '../../src/keys/keyring'
import { type HistoryRecord, recordHistory } from '../../src/rotation/history-record'
import { type VerifyHistoryOptions, verifyHistory } from '../../src/rotation/verify-history'
import { rejection } from '../keys/fixtures'
import { makeKeyring } from './tables'

/** A keyring whose store shows its history as `edit` wants it. */
async function withHistory(length: number): Promise<{
  keyring: Keyring
  edit: (change: (links: HistoryLink[]) => HistoryLink[]) => void
}> {
  const inner = memoryKeyStore()
  let change = (links: HistoryLink[]): HistoryLink[] => links
  const store: KeyStore = {
    ...inner,
    loadHistory: async (domain, { after, limit }) => {
      const links = change(await inner.loadHistory(domain, { after: 0, limit: 10_000 }))
      return links.filter(({ sequence }) => sequence > after).slice(0, limit)
    },
  }
  const keyring = makeKeyring({ store })
  for (let i = 1; i <= length; i++) await record(keyring, `job-${i}`)
  return {
    keyring,
    edit: (next) => {
      change = next
    },
  }
}

const OPEN = { phase: 'begun', endedAt: null, outcome: null } as const

async function record(
  keyring: Keyring,
  operation: string,
  change: Partial<HistoryRecord> = {},
): Promise<void> {
  const times = { beganAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T01:00:00.000Z' }
  await recordHistory(keyring, {
    ...{ operation, phase: 'ended', verb: 'rewrap', outcome: 'done', actor: '', reason: '' },
    ...{ ...times, keyIds: [], counts: {}, parameters: {}, ...change },
  })
}

const replaceAt = (links: HistoryLink[], at: number, change: Partial<HistoryLink>) =>
  links.map((link, i) => (i === at ? { ...link, ...change } : link))

describe('verifyHistory', () => {
  it('holds for an empty history and gives the head of a longer one than a page', async () => {
    expect(await verifyHistory(makeKeyring())).toEqual({
      ...{ holds: true, broken: null, unfinished: [] },
      head: { sequence: 0, checksum: '0'.repeat(64) },
    })
    const { keyring } = await withHistory(1001)
    expect(await verifyHistory(keyring)).toMatchObject({ holds: true, head: { sequence: 1001 } })
  })

  it('names the record that was changed, whatever of it', async () => {
    const { keyring, edit } = await withHistory(3)
    for (const change of [{ record: '{}' }, { id: 'other' }, { checksum: 'ab'.repeat(32) }]) {
      edit((links) => replaceAt(links, 1, change))
      expect(await verifyHistory(keyring)).toMatchObject({
        ...{ holds: false, broken: { sequence: 2, problem: 'changed' }, head: { sequence: 1 } },
      })
    }
  })

  it('names the first record that is missing, at the beginning as well', async () => {
    const { keyring, edit } = await withHistory(4)
    for (const gone of [1, 2, 3]) {
      edit((links) => links.filter(({ sequence }) => sequence !== gone))
      const { broken } = await verifyHistory(keyring)
      expect(broken).toEqual({ sequence: gone, problem: 'missing' })
    }
  })

  it('tells records that changed places from changed ones', async () => {
    const { keyring, edit } = await withHistory(4)
    const swap = ([a, b, c, d]: HistoryLink[]) =>
      [a, { ...c, sequence: 2 }, { ...b, sequence: 3 }, d] as HistoryLink[]
    edit(swap)
    const { broken } = await verifyHistory(keyring)
    expect(broken).toEqual({ sequence: 2, problem: 'reordered' })
    edit(([a, b, c, d]) => [a, b, c, { ...d, sequence: 9 }] as HistoryLink[])
    expect((await verifyHistory(keyring)).broken).toEqual({ sequence: 4, problem: 'reordered' })
    edit(([a, b, c, d]) => [a, c, d, { ...b, sequence: 9 }] as HistoryLink[])
    expect((await verifyHistory(keyring)).broken).toEqual({ sequence: 2, problem: 'reordered' })
  })

  it('shows what has no end, until the same was done again', async () => {
    const keyring = makeKeyring()
    const begin = (operation: string, keyId: string) =>
      record(keyring, operation, { ...OPEN, parameters: { keyId } })
    const open = async () =>
      (await verifyHistory(keyring)).unfinished.map(({ operation }) => operation)
    for (const [operation, keyId] of [
      ['a', '1'],
      ['b', '2'],
      ['c', '1'],
    ] as const) {
      await begin(operation, keyId)
    }
    expect(await open()).toEqual(['a', 'b', 'c'])
    await record(keyring, 'c', { outcome: 'failed' })
    expect(await open()).toEqual(['a', 'b'])
    await begin('d', '1')
    await record(keyring, 'd', { parameters: { keyId: '1', more: 'x' } })
    expect(await open()).toEqual(['b'])
  })

  it('sees a record of another domain', async () => {
    const { keyring, edit } = await withHistory(1)
    const other = makeKeyring({ domain: 'other' })
    await record(other, 'job-1')
    const { head } = await verifyHistory(other)
    edit((links) => replaceAt(links, 0, head))
    expect((await verifyHistory(keyring)).broken).toEqual({ sequence: 1, problem: 'changed' })
  })

  it('sees a cut-off end and a rewritten chain only by a head that was kept elsewhere', async () => {
    const { keyring, edit } = await withHistory(3)
    const { head: expectedHead } = await verifyHistory(keyring)
    await record(keyring, 'later')
    expect(await verifyHistory(keyring, { expectedHead })).toMatchObject({ holds: true })
    edit((links) => links.slice(0, 2))
    expect(await verifyHistory(keyring)).toMatchObject({ holds: true })
    const cut = await verifyHistory(keyring, { expectedHead })
    expect(cut.broken).toEqual({ sequence: 3, problem: 'missing' })
    const forged = makeKeyring()
    for (const operation of ['job-1', 'other', 'job-3']) await record(forged, operation)
    expect(await verifyHistory(forged)).toMatchObject({ holds: true })
    const { broken } = await verifyHistory(forged, { expectedHead })
    expect(broken).toEqual({ sequence: 3, problem: 'rewritten' })
  })

  it.each<unknown>([
    {},
    { sequence: 1, checksum: 'x' },
    { sequence: -1, checksum: '0'.repeat(64) },
  ])('refuses %j as a head', async (expectedHead) => {
    const options = { expectedHead } as VerifyHistoryOptions
    await rejection(verifyHistory(makeKeyring(), options), 'ERR_CONFIG')
  })

  it('never holds after any one change, removal or exchange before its end', async () => {
    const { keyring, edit } = await withHistory(6)
    const { head: expectedHead } = await verifyHistory(keyring)
    const place = fc.nat(5)
    const tampering = fc.oneof(
      fc.record({ kind: fc.constant('drop'), at: place }),
      fc.record({ kind: fc.constant('swap'), at: place, to: place }),
      fc.record({ kind: fc.constantFrom('record', 'id'), at: place, text: fc.string() }),
    )
    await fc.assert(
      fc.asyncProperty(tampering, async (step) => {
        edit((links) => {
          const { at } = step
          if ('text' in step) return replaceAt(links, at, { [step.kind]: `${step.text} ` })
          if (!('to' in step)) return links.filter((_, i) => i !== at)
          const [a, b] = [links[at], links[step.to]] as [HistoryLink, HistoryLink]
          const moved = replaceAt(links, at, { ...b, sequence: a.sequence })
          return replaceAt(moved, step.to, { ...a, sequence: b.sequence })
        })
        const untouched = 'to' in step && step.to === step.at
        const { holds, broken } = await verifyHistory(keyring, { expectedHead })
        expect(holds).toBe(untouched)
        const first = 'to' in step ? Math.min(step.at, step.to) : step.at
        if (!untouched) expect(broken?.sequence).toBe(first + 1)
      }),
    )
  })
})
