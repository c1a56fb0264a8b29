import { MortiseError } from '../errors'
import { checksumOf } from '../key-store/checksum'
import type { Tombstone } from '../key-store/store'

/** One destroyed key, as a certificate names it. */
export interface ShreddedKey {
  /** 16 hex digits: what every envelope of the subject names. */
  readonly id: string
  /** ISO 8601, UTC. */
  readonly destroyedAt: string
  /** It was destroyed by an earlier call: an interrupted run, or an erasure before this one. */
  readonly before: boolean
}

/** Rows of one table whose index columns were emptied. */
export interface ShreddedTable {
  readonly table: string
  readonly clearedRows: number
}

/**
 * What `shred` did, as JSON to keep: a record for the files of whoever asked, and what
 * `replayTombstones` reads after a restore. It names no subject, unless `actor` or `reason` does.
 */
export interface ShredCertificate {
  readonly format: 'mortise/shred/1'
  readonly domain: string
  /** ISO 8601, UTC. */
  readonly issuedAt: string
  /** Empty where the caller did not say. */
  readonly actor: string
  /** Empty where the caller did not say. */
  readonly reason: string
  /** Empty for a subject that never had a key, or whose rows are gone as well. */
  readonly keys: readonly ShreddedKey[]
  readonly tables: readonly ShreddedTable[]
  /** SHA-256 in hex over all of the above: shows damage, and proves nothing about who wrote it. */
  readonly checksum: string
}

const FORMAT = 'mortise/shred/1'

/** Completes a certificate by its format and checksum. */
export function issueCertificate(
  content: Omit<ShredCertificate, 'format' | 'checksum'>,
): ShredCertificate {
  return { format: FORMAT, ...content, checksum: certificateChecksum(content) }
}

/**
 * The tombstones that a certificate stands for.
 *
 * @throws ERR_CONFIG for anything that is not a whole certificate
 */
export function certifiedTombstones(certificate: ShredCertificate): Tombstone[] {
  const { format, checksum, domain, actor, reason, keys, tables } = certificate
  const whole = format === FORMAT && Array.isArray(keys) && Array.isArray(tables)
  if (!whole || checksum !== certificateChecksum(certificate)) {
    throw new MortiseError(
      'ERR_CONFIG',
      `a certificate is not as shred() issued it (format ${FORMAT}): it was changed or damaged`,
    )
  }
  return keys.map(({ id, destroyedAt }) => {
    return { id, domain, destroyedAt: new Date(destroyedAt), actor, reason }
  })
}

function certificateChecksum(content: Omit<ShredCertificate, 'format' | 'checksum'>): string {
  const { domain, issuedAt, actor, reason, keys, tables } = content
  return checksumOf([
    ...[FORMAT, domain, issuedAt, actor, reason],
    keys.map(({ id, destroyedAt, before }) => [id, destroyedAt, before]),
    tables.map(({ table, clearedRows }) => [table, clearedRows]),
  ])
}
