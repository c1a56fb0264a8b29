import { EMPTY_CONTENT } from './content'
import { contentStore } from './content-store'
import type { KeyStore } from './store'

/**
 * A key store that lives and dies with the process: for tests and for trying things out.
 *
 * What was sealed under its keys cannot be opened by any other process, nor after a restart.
 *
 * @returns an empty store; several keyrings of one process may share it
 */
export function memoryKeyStore(): KeyStore {
  let content = EMPTY_CONTENT
  return contentStore(
    async () => content,
    async (change) => {
      const next = change(content)
      if (next === null) return false
      content = next
      return true
    },
  )
}
