import { tokensOf } from '../blind-index/token'
import type { Field } from '../field'
import type { Session } from '../key-store/store'
import type { IndexStage, KeyAccess } from '../keys/access'
import { indexMoved, leftBehind } from '../keys/index-stage'
import { encryptedColumnOfField, faceOf } from './encrypted-column'
import type { Placeholder, SlotValues } from './placeholder'

/**
 * Replaces the placeholders of tokens and buckets in a statement, in place, by what the field's indexes
 * are now: whatever was declared, compiled or read from memory before is checked here once more.
 *
 * @param places - of all placeholders among the parameters
 * @throws ERR_INDEX_CHANGED for a write that other processes would miss, or a condition that was made
 *   for an index that is being left
 */
export async function resolveIndexes(
  keys: KeyAccess,
  parameters: unknown[],
  places: readonly number[],
  session: Session,
): Promise<void> {
  const stages = await stagesOf(keys, usesOf(parameters, places), session)
  const tokens = putBuckets(parameters, places, stages)
  for (const [field, placesOfField] of tokens) {
    const key = await keys.tokenKey(field.indexName, session)
    const encoded = placesOfField.map((place) => (parameters[place] as Placeholder).encoded)
    const made = tokensOf(key, encoded)
    placesOfField.forEach((place, i) => {
      parameters[place] = made[i]
    })
  }
}

/** What a statement does with a field. */
interface FieldUse {
  writes: boolean
  asks: boolean
}

function usesOf(
  parameters: readonly unknown[],
  places: readonly number[],
): ReadonlyMap<Field, FieldUse> {
  const uses = new Map<Field, FieldUse>()
  for (const place of places) {
    const { field, record } = parameters[place] as Placeholder
    const use = uses.get(field) ?? { writes: false, asks: false }
    uses.set(field, use)
    if (record) use.writes = true
    else use.asks = true
  }
  return uses
}

/** @returns the places that tokens are still to be put in, by field, and what they are made of there */
function putBuckets(
  parameters: unknown[],
  places: readonly number[],
  stages: ReadonlyMap<string, IndexStage>,
): ReadonlyMap<Field, readonly number[]> {
  const tokens = new Map<Field, number[]>()
  for (const place of places) {
    const placeholder = parameters[place] as Placeholder
    if (placeholder.use === 'seal') continue
    const written = chosen(placeholder, stages.get(placeholder.field.fieldId) as IndexStage)
    parameters[place] = written?.use === 'token' ? written : (written?.bucket ?? null)
    if (written?.use === 'token') addTo(tokens, written.field, place)
  }
  return tokens
}

/** Adds to the group of a key. */
export function addTo<K>(groups: Map<K, number[]>, key: K, place: number): void {
  const group = groups.get(key)
  if (group) group.push(place)
  else groups.set(key, [place])
}

/** One look for each field, whose answer serves all of the statement. */
async function stagesOf(
  keys: KeyAccess,
  uses: ReadonlyMap<Field, FieldUse>,
  session: Session,
): Promise<ReadonlyMap<string, IndexStage>> {
  const stages = new Map<string, IndexStage>()
  for (const [field, { writes, asks }] of uses) {
    const { fieldId, name } = field
    const stage = stages.get(fieldId) ?? (await keys.indexStage(fieldId, session))
    stages.set(fieldId, stage)
    if (writes && !stage.mayWrite) throw leftBehind(fieldId, 'write')
    if (asks && !mayAsk(field, stage)) throw indexMoved(name)
  }
  return stages
}

function mayAsk(field: Field, { asks }: IndexStage): boolean {
  return asks.includes(faceOf(encryptedColumnOfField(field)))
}

/** What a column is given: of one whose index changes, a generation, or nothing that could get stale. */
function chosen(placeholder: Placeholder, stage: IndexStage): Placeholder | null {
  const { generations } = placeholder
  return generations === undefined ? placeholder : ofStage(generations, stage)
}

function ofStage({ column, current, next }: SlotValues, stage: IndexStage): Placeholder | null {
  const { ownColumns, nextColumns } = stage
  if (column === 'own') return ownColumns === 'next' ? next : current
  const isWritten = nextColumns === 'next' || (column === 'new' && ownColumns === 'next')
  return isWritten ? next : null
}
