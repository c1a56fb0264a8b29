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

/** The record of a field; where it needs a key, `indexKeyId` is left `null`. */
export function fieldRecord(
  domain: string,
  { fieldId, exact, range }: Pick<IndexDeclaration, 'fieldId' | 'exact' | 'range'>,
): IndexRecord {
  const { normaliser = null, bits = null, group = null } = exact ?? {}
  return { ...blank(domain, 'field', fieldId), normaliser, bits, group, range }
}

function blank(domain: string, kind: IndexRecord['kind'], name: string): IndexRecord {
  const unset = { indexKeyId: null, normaliser: null, bits: null, range: null, group: null }
  return { domain, kind, name, generation: 1, state: 'active', ...unset }
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
export function indexNameText({ kind, name }: Pick<IndexName, 'kind' | 'name'>): string {
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
  for (const { fieldId, exact, range, next } of declarations) {
    agree(`field ${fieldId}`, fieldId, JSON.stringify([exact, range, next]))
    if (exact !== null && exact.group !== null) {
      agree(`group ${exact.group}`, fieldId, JSON.stringify([exact.normaliser, exact.bits]))
    }
  }
}

/** What a stored record was made with and is declared otherwise, as text; null where they agree. */
export function differenceFrom(stored: IndexRecord, declared: IndexRecord): string | null {
  const differences = (['normaliser', 'bits', 'group', 'range'] as const)
    .filter((what) => stored[what] !== declared[what])
    .map((what) => `${what} ${shown(stored[what])}, declared ${shown(declared[what])}`)
  return differences.length === 0 ? null : differences.join('; ')
}

/** The generations of one index. */
export interface Generations {
  /** What rows are indexed with. */
  readonly active: IndexRecord
  /** What a `reindex` changes them to; null where none is under way. */
  readonly next: IndexRecord | null
}

/**
 * The generations of each name.
 *
 * A single record counts as active, whatever its state: the last step of a `reindex` removes the one
 * before it first.
 *
 * @throws ERR_INDEX_CHANGED for what no `reindex` of this release leaves
 */
export function generationsByName(
  records: readonly IndexRecord[],
): ReadonlyMap<string, Generations> {
  const byName = new Map<string, IndexRecord[]>()
  for (const record of records) {
    const text = indexNameText(record)
    byName.set(text, [...(byName.get(text) ?? []), record])
  }
  return new Map([...byName].map(([name, ofName]) => [name, generationsOf(ofName)]))
}

function generationsOf(records: readonly IndexRecord[]): Generations {
  const [first, second, ...others] = records as [IndexRecord, ...IndexRecord[]]
  const isEnding = second === undefined && ['active', 'emptied'].includes(first.state)
  if (isEnding) return { active: first, next: null }
  const active = records.find(({ state }) => state === 'active')
  const next = records.find(({ state }) => state !== 'active')
  const known = active && next && others.length === 0 && active.kind === 'field'
  if (!known) throw severalGenerations(first)
  return { active, next }
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
    `${kind} ${name} has several index generations, or one without its predecessor: not what a \`reindex\` of this release leaves; use the release that began it`,
    { field: name },
  )
}

function shown(value: string | number | null): string {
  return value === null ? 'none' : JSON.stringify(value)
}
