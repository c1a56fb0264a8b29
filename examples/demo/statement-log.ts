import type { Logger } from 'typeorm'

/** A statement as TypeORM logs it. */
export interface Statement {
  readonly sql: string
  /** Values of encrypted properties are redacted before any logger is called. */
  readonly parameters: readonly string[]
}

/** A TypeORM logger that keeps what was sent, for the demo to show. */
export interface StatementLog extends Logger {
  /** What was sent since the last call. */
  take(): Statement[]
}

const IGNORED = (): void => {}

export function createStatementLog(): StatementLog {
  let statements: Statement[] = []
  return {
    logQuery: (sql, parameters) => {
      statements.push({ sql: shorten(sql), parameters: (parameters ?? []).map(String) })
    },
    take: () => {
      const taken = statements
      statements = []
      return taken
    },
    logQueryError: IGNORED,
    logQuerySlow: IGNORED,
    logSchemaBuild: IGNORED,
    logMigration: IGNORED,
    log: IGNORED,
  }
}

/** Ten columns under TypeORM's aliases hide the condition that a reader looks for. */
function shorten(sql: string): string {
  return sql.replace(/SELECT (?!COUNT)[^()]{80,}? FROM/gi, 'SELECT … FROM').replaceAll('"', '')
}
