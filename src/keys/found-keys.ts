import { isMortiseError, type MortiseError, type MortiseErrorCode } from '../errors'

/** Keys by id, and by id why others cannot be used: what is wrong with one is no matter of the others. */
export interface FoundKeys<Key> {
  readonly keys: ReadonlyMap<string, Key>
  readonly refused: ReadonlyMap<string, MortiseError>
}

/** Causes that lie in one key. A store or provider that cannot be asked, or that lies, is none. */
const OF_ONE_KEY: readonly MortiseErrorCode[] = ['ERR_KEY_NOT_FOUND', 'ERR_KEY_STATE']

/** The keys, or the error of the first one that cannot be used. */
export function allFound<Key>({ keys, refused }: FoundKeys<Key>): ReadonlyMap<string, Key> {
  for (const error of refused.values()) throw error
  return keys
}

/** Looks at each of the items; an error that lies in one key is kept with its id. */
export async function findEach<Item extends { readonly id: string }, Key>(
  items: readonly Item[],
  find: (item: Item) => Key | Promise<Key>,
): Promise<FoundKeys<Key>> {
  const keys = new Map<string, Key>()
  const refused = new Map<string, MortiseError>()
  const look = async (item: Item): Promise<void> => {
    try {
      keys.set(item.id, await find(item))
    } catch (error) {
      if (!isMortiseError(error) || !OF_ONE_KEY.includes(error.code)) throw error
      refused.set(item.id, error)
    }
  }
  await Promise.all(items.map(look))
  return { keys, refused }
}
