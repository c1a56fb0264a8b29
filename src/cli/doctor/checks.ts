import { checkAdoptions } from './adoptions'
import type { Found } from './finding'
import { checkHiddenColumns } from './hidden-columns'
import { checkHistory } from './history'
import { checkJobs } from './jobs'
import { checkKeyAge } from './key-age'
import { checkKeyWraps } from './key-wraps'
import { checkKeysInData } from './keys-in-data'
import { checkMortiseTables } from './mortise-tables'
import { checkNativePath } from './native-path'
import { checkProviderHealth } from './provider-health'
import { checkSchemaDrift } from './schema-drift'
import { checkSealedConstraints } from './sealed-constraint'
import type { Setup } from './setup'
import { checkSqlIndexes } from './sql-indexes'
import { checkStatementLog } from './statement-log'
import { checkStoredValues } from './stored-values'
import { checkTransport } from './transport'

/** A check by its name: what it looks at decides, and it writes nothing. */
export type Check = (setup: Setup) => Promise<readonly Found[]>

/** All checks, in the order of the report. */
export const CHECKS: Readonly<Record<string, Check>> = {
  tables: checkMortiseTables,
  schema: checkSchemaDrift,
  indexes: checkSqlIndexes,
  'stored-values': checkStoredValues,
  'hidden-columns': checkHiddenColumns,
  constraints: checkSealedConstraints,
  transport: checkTransport,
  'statement-log': checkStatementLog,
  providers: checkProviderHealth,
  'key-wraps': checkKeyWraps,
  'key-age': checkKeyAge,
  'keys-in-data': checkKeysInData,
  adoptions: checkAdoptions,
  jobs: checkJobs,
  history: checkHistory,
  native: checkNativePath,
}
