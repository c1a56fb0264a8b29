import { MortiseError } from '../errors'
import type { IndexRecord } from '../key-store/store'
import type { IndexDeclaration, IndexName } from './access'

/** The records that declarations ask for; where a record needs a key, `indexKeyId` is left `null`. */
export function declaredRecords(
  domain: string,
  declarations: readonly IndexDeclaration[],
): IndexRecord[] {
  const groups = new Map<string, IndexRecord>()
  for (const { exact } of declarations) {
    if (exact === null || exact.group === null) continue
    const { group, normaliser, bits } = exact
    groups.set(group, { ...blank(domain, 'group', group), normaliser, bits })
  }
  return [
    ...declarations.map((declaration) => fieldRecord(domain, declaration)),
    ...groups.values(),
  ]
}

function fieldRecord(domain: string, { fieldId, exact, range }: IndexDeclaration): IndexRecord {
  const { normaliser = null, bits = null, group = null } = exact ?? {}
  return { ...blank(domain, 'field', fieldId), normaliser, bits, group, range }
}

function blank(domain: string, kind: IndexRecord['kind'], name: string): IndexRecord {
  const unset = { indexKeyId: null, normaliser: null, bits: null, range: null, group: null }
  return { domain, kind, name, generation: 1, ...unset, state: 'active' }
}

/** What every subject_ref of a domain is made with; `indexKeyId` is left `null`. */
export function subjectRecord(domain: string): IndexRecord {
  return { ...blank(domain, 'subject', ''), normaliser: '', bits: 128 }
}

/** Whether tokens derive from this record's own key, rather than from its group's or not at all. */
export function hasOwnKey(record: IndexRecord): boolean {
  return record.bits !== null && record.group === null
}

/** One text per (kind, name), for maps. */
export function indexNameText({ kind, name }: IndexName): string {
  return `${kind} ${name}`
}

/**
 * Fields of one group share a key; their tokens compare only if they are made alike.
 *
 * @throws ERR_CONFIG where two declarations of a group, or of a field, disagree
 */
export function checkAgreement(declarations: Iterable<IndexDeclaration>): void {
  const seen = new Map<string, { fieldId: string; text: string }>()
  const agree = (name: string, fieldId: string, text: string): void => {
    const other = seen.get(name)
    if (other !== undefined && other.text !== text) throw disagreement(name, fieldId, other.fieldId)
    seen.set(name, { fieldId, text })
  }
  for (const { fieldId, exact, range } of declarations) {
    agree(`field ${fieldId}`, fieldId, JSON.stringify([exact, range]))
    if (exact !== null && exact.group !== null) {
      agree(`group ${exact.group}`, fieldId, JSON.stringify([exact.normaliser, exact.bits]))
    }
  }
}

/**
 * @throws ERR_INDEX_CHANGED where rows were indexed otherwise than is declared now
 */
export function checkUnchanged(stored: IndexRecord, declared: IndexRecord): void {
  const differences = (['normaliser', 'bits', 'group', 'range'] as const)
    .filter((what) => stored[what] !== declared[what])
    .map((what) => `${what} ${shown(stored[what])}, declared ${shown(declared[what])}`)
  if (differences.length === 0) return
  throw new MortiseError(
    'ERR_INDEX_CHANGED',
    `${stored.kind} ${stored.name} is indexed with ${differences.join('; ')}: rows that exist would be missed. Restore the declaration, or run \`reindex\` to change the index row by row`,
    { field: stored.name },
  )
}

/**
 * The one record of each name.
 *
 * @throws ERR_INDEX_CHANGED for a name with several generations: this release keeps one
 */
export function recordsByName(records: readonly IndexRecord[]): ReadonlyMap<string, IndexRecord> {
  const byName = new Map<string, IndexRecord>()
  for (const record of records) {
    const text = indexNameText(record)
    if (byName.has(text) || record.state !== 'active') throw severalGenerations(record)
    byName.set(text, record)
  }
  return byName
}

function disagreement(name: string, fieldId: string, otherId: string): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${fieldId} and ${otherId} declare ${name} with different normaliser, bits or range; tokens compare only if they are made alike`,
    { field: fieldId },
  )
}

function severalGenerations({ kind, name }: IndexRecord): MortiseError {
  return new MortiseError(
    'ERR_INDEX_CHANGED',
    `${kind} ${name} has several index generations, a \`reindex\` that this release cannot take part in; use the release that began it`,
    { field: name },
  )
}

function shown(value: string | number | null): string {
  return value === null ? 'none' : JSON.stringify(value)
}
