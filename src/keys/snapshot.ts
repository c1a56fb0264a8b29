import { MortiseError } from '../errors'
import type { KeyStore, Session } from '../key-store/store'
import { type DomainView, domainView, isOlder } from './domain-view'
import type { KeyEventHandler } from './events'

/** What a {@link KeySnapshot} works on. */
export interface SnapshotSource {
  readonly domain: string
  readonly store: () => KeyStore
  /** How old the last look at the epoch may be, in milliseconds. */
  readonly pollMs: number
  readonly emit: KeyEventHandler
  readonly onChange: (view: DomainView) => void
}

/**
 * The newest state of the domain's keys that this process has seen.
 *
 * Callers with a session read on it and never wait for each other: the one that is waited for may
 * itself be waiting for the connection that the waiting one holds. Callers without share one read.
 */
export class KeySnapshot {
  readonly #source: SnapshotSource
  #view: DomainView | undefined
  #checkedAt = Number.NEGATIVE_INFINITY
  #polling: Promise<DomainView> | undefined
  #loading: Promise<DomainView> | undefined
  #queued: Promise<DomainView> | undefined

  constructor(source: SnapshotSource) {
    this.#source = source
  }

  /** The state in memory while the staleness bound holds; undefined once it must be checked. */
  get fresh(): DomainView | undefined {
    return performance.now() - this.#checkedAt < this.#source.pollMs ? this.#view : undefined
  }

  /** The highest epoch that this process has kept, however long ago; 0 before the first one. */
  get epoch(): number {
    return this.#view?.epoch ?? 0
  }

  /** The state, checked within the staleness bound: at most one cheap query. */
  async current(session?: Session): Promise<DomainView> {
    // Once: the bound may pass before a second look.
    const { fresh } = this
    if (fresh !== undefined) return fresh
    if (session !== undefined) return this.#poll(session)
    this.#polling ??= this.#poll().finally(() => {
      this.#polling = undefined
    })
    return this.#polling
  }

  /**
   * The state read from the store now. Without a session, a read that is already running may have
   * begun too early for this caller, so all who come meanwhile share the one after it.
   */
  reload(session?: Session): Promise<DomainView> {
    if (session !== undefined) return this.#load(session)
    if (this.#loading === undefined) return this.#loadShared()
    this.#queued ??= this.#loading
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined
        return this.#loadShared()
      })
    return this.#queued
  }

  /**
   * The state after a write of the store. The write was committed on a connection of its own, which
   * a snapshot of the caller's transaction does not show; with a single connection it is the caller's.
   */
  reloadAfterWrite(session?: Session): Promise<DomainView> {
    return this.#load(this.#source.store().writesOnSession ? session : undefined)
  }

  /** Whether what this session shows may be undone: then it serves one call and is not kept. */
  isTentative(session?: Session): boolean {
    return session?.inTransaction === true && this.#source.store().writesOnSession === true
  }

  async #poll(session?: Session): Promise<DomainView> {
    const seen = this.#view
    if (seen === undefined) return this.reload(session)
    const startedAt = performance.now()
    const epoch = await this.#source.store().loadEpoch(this.#source.domain, session)
    if (epoch === seen.epoch) {
      this.#checkedAt = Math.max(this.#checkedAt, startedAt)
      return this.#view ?? seen
    }
    return this.reload(session)
  }

  async #load(session?: Session): Promise<DomainView> {
    const { domain, store } = this.#source
    const seen = this.#view
    const startedAt = performance.now()
    const view = domainView(domain, await store().loadKeys(domain, session))
    if (seen !== undefined && isOlder(view, seen)) return this.#older(view, seen, session)
    const newest = this.#view
    if (newest !== undefined && view.epoch <= newest.epoch && newest !== seen) return newest
    if (this.isTentative(session)) return view.epoch === newest?.epoch ? newest : view
    return this.#adopt(view, startedAt)
  }

  /**
   * A transaction's snapshot may be older, and so may a replica. The first is expected; what a
   * session shows outside of one is confirmed on the store's own connection.
   */
  #older(view: DomainView, seen: DomainView, session?: Session): DomainView | Promise<DomainView> {
    if (session?.inTransaction) return this.#view ?? seen
    const { domain, store, emit } = this.#source
    if (session !== undefined && !store().writesOnSession) return this.#load()
    emit({ type: 'key-store-rollback', domain, epoch: view.epoch, seenEpoch: seen.epoch })
    throw new MortiseError(
      'ERR_KEY_STORE_ROLLBACK',
      `the key store shows an older state of domain ${domain} (epoch ${view.epoch}) than this process has seen (epoch ${seen.epoch}); if a backup was restored on purpose, restart the process`,
    )
  }

  #adopt(view: DomainView, startedAt: number): DomainView {
    const previous = this.#view
    this.#view = view
    this.#checkedAt = Math.max(this.#checkedAt, startedAt)
    this.#source.onChange(view)
    if (previous !== undefined && previous.epoch !== view.epoch) {
      const { domain, emit } = this.#source
      emit({ type: 'epoch-changed', domain, epoch: view.epoch, previousEpoch: previous.epoch })
    }
    return view
  }

  #loadShared(): Promise<DomainView> {
    const loading = this.#load().finally(() => {
      if (this.#loading === loading) this.#loading = undefined
    })
    this.#loading = loading
    return loading
  }
}
