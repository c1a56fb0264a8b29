import type { QueryRunner } from 'typeorm'
import type { Condition } from './condition'
import type { RawRow } from './internals'

/** What happens to the raw rows of an entity query before TypeORM hydrates them. */
export interface PageReader {
  read(rows: RawRow[], queryRunner: QueryRunner): Promise<RawRow[]>
}

/** What a SELECT builder of an encrypted DataSource remembers beside TypeORM's own state. */
export interface SelectState {
  /** Conditions by the SQL that TypeORM keeps of them; shared with clones and sub-builders. */
  conditions: Map<string, Condition>
  /** The condition that the innermost `buildWhere` gave, for the one around it. */
  lastCondition: Condition | undefined
  /** Set while entities are loaded: what to do with raw rows. Unset, rows stay ciphertext. */
  reader: PageReader | undefined
  /** Set while TypeORM is called for entities alone. */
  rawIsUnseen: boolean
  /** The builder that this one is a clone of. */
  clonedFrom: object | undefined
  /** Set while a statement is rendered that goes to the database next. */
  sending: boolean
  /** A statement whose placeholders are resolved, for a call of TypeORM that cannot await it. */
  prepared: [string, unknown[]] | undefined
  /** Set while mortise itself renders the statement of a plan. */
  rendering: boolean
}

const states = new WeakMap<object, SelectState>()

/** A builder's state. Kept outside of it: the builder's prototype was swapped, it has no fields. */
export function stateOf(builder: object): SelectState {
  let state = states.get(builder)
  if (!state) {
    state = {
      conditions: new Map(),
      lastCondition: undefined,
      reader: undefined,
      rawIsUnseen: false,
      clonedFrom: undefined,
      sending: false,
      prepared: undefined,
      rendering: false,
    }
    states.set(builder, state)
  }
  return state
}

/** Gives a clone or sub-builder the conditions that its SQL texts refer to. */
export function shareState(from: object, to: object): void {
  const { conditions, reader, rendering } = stateOf(from)
  const own = { sending: false, prepared: undefined, lastCondition: undefined, rawIsUnseen: false }
  states.set(to, { conditions, reader, rendering, clonedFrom: from, ...own })
}

/**
 * A builder that a statement runs on in the place of `builder`, which the application may run, change
 * or clone meanwhile.
 */
export function standIn<B extends object>(
  builder: B,
  changes: object,
  state: Partial<SelectState>,
): B {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(builder)), builder, changes)
  shareState(builder, copy)
  Object.assign(stateOf(copy), { clonedFrom: undefined, ...state })
  return copy
}

/** TypeORM takes entities from `getRawAndEntities()`, which it calls at once, and drops the raw rows. */
export function withoutRaw<T>(builder: object, load: () => T): T {
  const state = stateOf(builder)
  state.rawIsUnseen = true
  try {
    return load()
  } finally {
    state.rawIsUnseen = false
  }
}
