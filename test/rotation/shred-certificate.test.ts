import { describe, expect, it } from 'vitest'
import {
  certifiedTombstones,
  issueCertificate,
  type ShredCertificate,
} from '../../src/rotation/shred-certificate'

const CONTENT = {
  domain: 'clinic',
  issuedAt: '2026-05-04T03:02:01.000Z',
  actor: 'privacy desk',
  reason: 'request 117',
  keys: [
    { id: '00112233445566aa', destroyedAt: '2026-05-04T03:02:01.000Z', before: false },
    { id: '00112233445566bb', destroyedAt: '2025-01-02T00:00:00.000Z', before: true },
  ],
  tables: [{ table: 'clinic.note', clearedRows: 12 }],
}

const issued = issueCertificate(CONTENT)

describe('a certificate', () => {
  it('holds what was done, its format, and a checksum that never changes for it', () => {
    expect(issued).toEqual({
      format: 'mortise/shred/1',
      ...CONTENT,
      checksum: '0bffe7d4a53d1f1b1410883191be44e03856a44a0936d37d5291e79b3ef8e226',
    })
  })

  it('stands for one tombstone for each key', () => {
    const shared = { domain: 'clinic', actor: 'privacy desk', reason: 'request 117' }
    expect(certifiedTombstones(issued)).toEqual([
      { ...shared, id: '00112233445566aa', destroyedAt: new Date('2026-05-04T03:02:01.000Z') },
      { ...shared, id: '00112233445566bb', destroyedAt: new Date('2025-01-02T00:00:00.000Z') },
    ])
  })

  it('survives stores that reorder members', () => {
    const reordered = Object.fromEntries(Object.entries(issued).reverse()) as never
    expect(certifiedTombstones(reordered)).toHaveLength(2)
  })

  it.each<[string, Partial<Record<keyof ShredCertificate, unknown>>]>([
    ['format', { format: 'mortise/shred/2' }],
    ['domain', { domain: 'other' }],
    ['date', { issuedAt: '2026-05-04T03:02:02.000Z' }],
    ['actor', { actor: '' }],
    ['reason', { reason: 'request 118' }],
    ['keys', { keys: CONTENT.keys.slice(1) }],
    ['key', { keys: [{ ...CONTENT.keys[0], id: '00112233445566cc' }, CONTENT.keys[1]] }],
    ['list of keys', { keys: 'none' }],
    ['list of tables', { tables: null }],
    ['rows', { tables: [{ table: 'clinic.note', clearedRows: 11 }] }],
    ['checksum', { checksum: '0'.repeat(64) }],
  ])('is refused with another %s', (_what, change) => {
    const changed = { ...issued, ...change } as ShredCertificate
    expect(() => certifiedTombstones(changed)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})
