import type { StoredForm } from '../../envelope/stored-form'
import { quote, tableLabel, tablePath } from '../../rotation/table-path'
import type { EncryptedTable, EncryptedTableColumn } from '../../schema'
import { type Found, ok, problem, warning } from './finding'
import { allWell, type Setup } from './setup'

/** A CHECK over an envelope column alone, and what it lets in. */
export interface FirstByteCheck {
  readonly name: string
  /** `seals`: takes envelopes and refuses plaintext. `blocks`: refuses envelopes. `none`: neither. */
  readonly effect: 'seals' | 'blocks' | 'none'
  readonly validated: boolean
}

const MAX_NAME_BYTES = 63
const SUFFIX = '_sealed'
/** The shortest envelope of format 1 that there is, with nothing in it. */
const ENVELOPE = Buffer.alloc(99)
ENVELOPE[0] = 0xe1

/**
 * Every envelope column has a CHECK that keeps plaintext out whoever writes, that holds for all rows,
 * and that TypeORM knows: it drops what no entity declares.
 */
export async function checkSealedConstraints(setup: Setup): Promise<Found[]> {
  const findings: Found[] = []
  for (const table of setup.tables) {
    for (const column of table.columns) {
      const checks = await firstByteChecks(setup, table, column)
      findings.push(...judge(setup, table, column, checks))
    }
  }
  return findings.some(({ status }) => status !== 'ok')
    ? findings.filter(({ status }) => status !== 'ok')
    : allWell(setup, 'envelope columns', 'a CHECK keeps plaintext out of each')
}

/**
 * The CHECKs over one envelope column, each tried on an envelope and on a text that is none: whatever
 * they are written like. Those over several columns are left out.
 */
export async function firstByteChecks(
  { catalogue, query }: Pick<Setup, 'catalogue' | 'query'>,
  table: EncryptedTable,
  { column, form }: EncryptedTableColumn,
): Promise<FirstByteCheck[]> {
  const found = catalogue(table)?.constraints ?? []
  const own = found.filter(({ columns: [first, ...others] }) => {
    return first === column && others.length === 0
  })
  const checks: FirstByteCheck[] = []
  for (const { name, expression, validated } of own) {
    if (expression === null) continue
    const takes = async (sample: string): Promise<boolean> => {
      const row = `(SELECT ${sample} AS ${quote(column)}) AS sample`
      const sql = `SELECT (${expression}) IS NOT FALSE AS taken FROM ${row}`
      return query(sql, []).then(
        ([answer]) => answer?.taken === true,
        () => false,
      )
    }
    const sealed = await takes(sampleOf(form, ENVELOPE))
    const plain = await takes(form === 'text' ? `'plain'::text` : `convert_to('plain', 'UTF8')`)
    checks.push({ name, validated, effect: sealed ? (plain ? 'none' : 'seals') : 'blocks' })
  }
  return checks
}

function sampleOf(form: StoredForm, envelope: Buffer): string {
  return form === 'text'
    ? `'mrt1.${envelope.toString('base64url')}'::text`
    : `decode('${envelope.toString('hex')}', 'hex')`
}

function judge(
  { declared }: Setup,
  table: EncryptedTable,
  column: EncryptedTableColumn,
  checks: readonly FirstByteCheck[],
): Found[] {
  const subject = `${column.field} (${tableLabel(table)}.${column.column})`
  const path = tablePath(table)
  const blocking = checks.filter(({ effect }) => effect === 'blocks')
  if (blocking.length > 0) {
    return blocking.map(({ name }) => {
      const fix = `ALTER TABLE ${path} DROP CONSTRAINT ${quote(name)};`
      return problem(subject, `CHECK ${name} refuses envelopes: no value can be written`, fix)
    })
  }
  const sealing = checks.filter(({ effect }) => effect === 'seals')
  const best = sealing.find(({ validated }) => validated) ?? sealing[0]
  if (!best) return [missing(subject, table, column)]
  if (!best.validated) {
    const fix = `ALTER TABLE ${path} VALIDATE CONSTRAINT ${quote(best.name)};`
    return [warning(subject, `CHECK ${best.name} does not hold for the rows before it`, fix)]
  }
  const known = declared.checks.some(({ schema, table: name, name: check }) => {
    return schema === table.schema && name === table.name && check === best.name
  })
  if (known) return [ok(subject, `CHECK ${best.name} keeps plaintext out`)]
  const finding = `CHECK ${best.name} is on no entity: the next migration drops it`
  return [warning(subject, finding, decorator(best.name, column))]
}

function missing(subject: string, table: EncryptedTable, column: EncryptedTableColumn): Found {
  const name = constraintName(table, column)
  const alter = `ALTER TABLE ${tablePath(table)}`
  return warning(
    subject,
    'no CHECK keeps out plaintext that something else writes',
    [
      `${alter} ADD CONSTRAINT ${quote(name)} CHECK (${expressionOf(column)}) NOT VALID;`,
      `${alter} VALIDATE CONSTRAINT ${quote(name)};`,
      `-- and on the entity, or the next migration drops it: ${decorator(name, column)}`,
    ].join('\n'),
  )
}

function decorator(name: string, column: EncryptedTableColumn): string {
  return `@Check('${name}', \`${expressionOf(column)}\`)`
}

function expressionOf({ column, form }: EncryptedTableColumn): string {
  return form === 'text' ? `${quote(column)} LIKE 'mrt1.%'` : `get_byte(${quote(column)}, 0) = 225`
}

/** PostgreSQL cuts longer names, and TypeORM would then look for another one. */
function constraintName({ name }: EncryptedTable, { column }: EncryptedTableColumn): string {
  const characters = [...`${name}_${column}`]
  while (Buffer.byteLength(characters.join('')) > MAX_NAME_BYTES - SUFFIX.length) characters.pop()
  return characters.join('') + SUFFIX
}
