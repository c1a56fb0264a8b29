import { isMortiseError } from '../../errors'
import { CHECKS, type Check } from './checks'
import { type Finding, type Found, problem } from './finding'
import { type DoctorOptions, readSetup, type Setup } from './setup'

/** What the database's own answer means, without its text, which might quote a value. */
const MEANINGS: Readonly<Record<string, string>> = {
  '42501': 'this role may not read it',
  '42P01': 'a table does not exist',
  '42703': 'a column does not exist',
  '57014': 'the statement took longer than it may',
}

/**
 * Looks at the wiring of an encrypted DataSource: tables, schema, rows, connection, server and keys.
 *
 * Writes nothing: its statements run in read-only transactions; key store, history and census are read.
 * One connection at a time, two calls of each provider, and unless `deep` no statement of its own that
 * is longer than `patienceMs`. A check that fails becomes a problem, and the others go on.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns at least one finding of each check, in the order of the checks
 * @throws ERR_CONFIG where the DataSource is not encrypted, what connecting throws, and the reason of
 *   `signal`
 */
export async function examine(
  dataSource: Setup['dataSource'],
  options: DoctorOptions,
): Promise<Finding[]> {
  const setup = await readSetup(dataSource, options)
  const findings: Finding[] = []
  for (const [name, check] of Object.entries(CHECKS)) {
    options.signal?.throwIfAborted()
    for (const found of await isolated(name, check, setup)) findings.push({ check: name, ...found })
  }
  return findings
}

async function isolated(name: string, check: Check, setup: Setup): Promise<readonly Found[]> {
  try {
    return await check(setup)
  } catch (error) {
    return [problem(name, `could not be checked: ${reasonOf(error)}`, null)]
  }
}

/** Only messages of our own are known to hold no value. */
function reasonOf(error: unknown): string {
  if (isMortiseError(error)) return `${error.message} (${error.code})`
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return 'an error of unknown kind'
  return `the database answered ${code}${MEANINGS[code] ? `, ${MEANINGS[code]}` : ''}`
}
