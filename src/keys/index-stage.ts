import { MortiseError } from '../errors'
import type { IndexRecord, IndexState } from '../key-store/store'
import type { IndexDeclaration, IndexStage } from './access'
import { differenceFrom, fieldRecord, type Generations } from './index-declaration'

/** Before a change, and for those who do not take part in it. */
const UNCHANGED: IndexStage = {
  ownColumns: 'current',
  nextColumns: 'null',
  asks: ['current'],
  mayWrite: true,
}

/** When it is over: the declaration still names the parameters before the change. */
const DONE: IndexStage = { ...UNCHANGED, ownColumns: 'next', asks: ['final'] }

/**
 * What those do who declare the generation to come. A process sees a state up to the staleness bound
 * late, so that the world may be one state further: a face is right in a state only if it still is in
 * the next, and what is asked in one state was written by all since the one before.
 */
const STAGES: Readonly<Record<Exclude<IndexState, 'active'>, IndexStage>> = {
  required: UNCHANGED,
  written: { ...UNCHANGED, nextColumns: 'next' },
  filled: { ...UNCHANGED, nextColumns: 'next' },
  asked: { ...UNCHANGED, nextColumns: 'next', asks: ['next', 'current'] },
  left: { ...UNCHANGED, nextColumns: 'next', asks: ['next'] },
  copied: { ...DONE, nextColumns: 'next', asks: ['next'] },
  settled: { ...DONE, nextColumns: 'next', asks: ['final', 'next'] },
  released: { ...DONE, nextColumns: 'next' },
  emptied: DONE,
}

/** While these last, all who write still write the generation before the change. */
const READABLE: readonly IndexState[] = ['required', 'written', 'filled', 'asked']

/** The last answer about records of the key store: a statement asks the same one several times. */
const lastAnswer = new WeakMap<Generations, { declaration: IndexDeclaration; stage: IndexStage }>()

/**
 * What a declaration may do, by what the key store has.
 *
 * @throws ERR_INDEX_CHANGED where rows were indexed otherwise than is declared
 */
export function indexStage(declaration: IndexDeclaration, generations: Generations): IndexStage {
  const known = lastAnswer.get(generations)
  if (known?.declaration === declaration) return known.stage
  const stage = compare(declaration, generations)
  lastAnswer.set(generations, { declaration, stage })
  return stage
}

function compare(declaration: IndexDeclaration, generations: Generations): IndexStage {
  const { active, next } = generations
  const declared = fieldRecord(active.domain, declaration)
  const wanted = declaration.next && fieldRecord(active.domain, declaration.next)
  const difference = differenceFrom(active, declared)
  if (next === null) {
    const isDone = wanted !== null && differenceFrom(active, wanted) === null
    if (difference !== null && isDone) return DONE
    // Of a change of the key alone the beginning and the end look alike, and are.
    if (difference === null)
      return isDone ? { ...UNCHANGED, asks: ['current', 'final'] } : UNCHANGED
    throw indexChanged(active, difference)
  }
  if (difference !== null) {
    if (differenceFrom(next, declared) === null) throw unfinished(next)
    throw indexChanged(active, difference)
  }
  const { state } = next
  if (state !== 'active' && wanted !== null && differenceFrom(next, wanted) === null) {
    return STAGES[state]
  }
  if (READABLE.includes(state)) return { ...UNCHANGED, mayWrite: false }
  throw leftBehind(next.name, 'use')
}

/** The error of a process that does not take part in a change. */
export function leftBehind(fieldId: string, what: 'use' | 'write'): MortiseError {
  return new MortiseError(
    'ERR_INDEX_CHANGED',
    `field ${fieldId} is being reindexed, and this process does not declare the generation to come: ` +
      (what === 'write'
        ? 'what it writes would be missed by those who do'
        : 'what it finds by its index would miss rows') +
      '. Deploy the version of the application that declares `next` with the parameters of that reindex',
    { field: fieldId },
  )
}

/** The error of a statement that was made for a state that is over. */
export function indexMoved(field: string): MortiseError {
  return new MortiseError(
    'ERR_INDEX_CHANGED',
    `${field}: its index was changed by reindex after this statement was made; make it again`,
    { field, retryable: true },
  )
}

/** The error of a declaration that differs from what rows were indexed with. */
export function indexChanged({ kind, name }: IndexRecord, difference: string): MortiseError {
  return new MortiseError(
    'ERR_INDEX_CHANGED',
    `${kind} ${name} is indexed with ${difference}: rows that exist would be missed. Restore the declaration, and declare what you want as \`next\` and run \`reindex\` to change the index row by row`,
    { field: name },
  )
}

function unfinished({ name }: IndexRecord): MortiseError {
  return new MortiseError(
    'ERR_INDEX_CHANGED',
    `field ${name} is being reindexed to what is declared here: deploy this version when \`reindex\` has finished, and until then the one that declares it as \`next\``,
    { field: name },
  )
}
