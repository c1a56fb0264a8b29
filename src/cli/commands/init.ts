import type { Command } from 'commander'
import { createTablesStatements, qualifyWith } from '../../key-store/create-tables'
import { JOB_TABLES } from '../../key-store/tables'
import { keyControl } from '../../keys/keyring'
import { schemaOf } from '../../schema'
import { defineCommand } from '../command'
import { EXIT } from '../exit-codes'
import { counted } from '../text-table'

/** `mortise init`. */
export const initCommand: Command = defineCommand<'keys'>({
  name: 'init',
  summary: 'make the tables of mortise and the first keys',
  description: [
    'Makes the tables (or the file) of the key store, those of jobs beside the data, and the first key of each purpose. Then proves that the provider wraps and opens them.',
    'Cost: a handful of statements and provider calls. What exists is left as it is, so it may be run again at any time.',
    'Not needed where TypeORM migrations or `synchronize` make the tables. Nothing is removed by it, ever.',
  ],
  examples: [
    'mortise init --data-source src/data-source.ts',
    'MORTISE_KEY_PROVIDERS=in-app:main MORTISE_KEY_STORE=postgresql://… mortise init',
  ],
  needs: 'keys',
  async run({ target, output }) {
    const { keyring, dataSource } = target
    await keyControl(keyring).createTables()
    if (dataSource !== null) await createJobTables(dataSource)
    await keyring.ready()
    const keys = await keyring.keys()
    output.result({ command: 'init', domain: keyring.domain, keys: keys.length }, () => [
      `domain ${keyring.domain} is ready, with ${counted(keys.length, 'key')}; see mortise keys`,
    ])
    return EXIT.done
  },
})

/** Jobs keep their state beside the data, wherever the keys are. */
async function createJobTables(dataSource: object): Promise<void> {
  const { ownSchema, query } = schemaOf(dataSource)
  const qualify = qualifyWith(ownSchema ?? undefined)
  for (const statement of createTablesStatements(qualify, JOB_TABLES)) await query(statement, [])
}
