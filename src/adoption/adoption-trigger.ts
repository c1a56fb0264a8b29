import { type AdoptedPlace, literal, ownName, placeLabel, placePath, quote } from './adopted-place'

/** Where the database records how far each adoption is. */
const ADOPTION_TABLE = 'mortise_adoption'

/** Statements in both directions, for a migration. */
export interface MigrationSql {
  readonly up: readonly string[]
  readonly down: readonly string[]
}

/** The table of records in a statement. */
export function adoptionTable(ownSchema: string | null): string {
  return ownSchema === null ? quote(ADOPTION_TABLE) : `${quote(ownSchema)}.${quote(ADOPTION_TABLE)}`
}

/** The names of a place's triggers in its table. */
export function triggerNames({ plainColumn }: AdoptedPlace): readonly [string, string] {
  return [ownName('insert', plainColumn), ownName('update', plainColumn)]
}

/**
 * What begins an adoption in the database: its record, and the triggers that meet writers from before,
 * which know only the former column. An envelope that was sealed for another subject or row is as stale as
 * one of another value.
 *
 * Their conditions name both columns, so that PostgreSQL refuses to drop either while they stand. For a
 * writer that keeps both in step no function is called.
 *
 * @param ownSchema - of the tables that mortise keeps beside the data; null for the search path
 */
export function beginAdoption(place: AdoptedPlace, ownSchema: string | null): string[] {
  const path = placePath(place)
  const [onInsert, onUpdate] = triggerNames(place)
  const plain = quote(place.plainColumn)
  const envelope = quote(place.envelopeColumn)
  return [
    `INSERT INTO ${adoptionTable(ownSchema)} ("table_name", "column_name", "state", "changed_at") ` +
      `VALUES (${literal(placeLabel(place))}, ${literal(place.plainColumn)}, 'dual', now()) ` +
      'ON CONFLICT DO NOTHING',
    createFunction(place, ownSchema),
    `CREATE OR REPLACE TRIGGER ${quote(onInsert)} BEFORE INSERT ON ${path} FOR EACH ROW ` +
      `WHEN (NEW.${plain} IS NOT NULL AND NEW.${envelope} IS NULL) EXECUTE FUNCTION ${functionPath(place)}()`,
    `CREATE OR REPLACE TRIGGER ${quote(onUpdate)} BEFORE UPDATE ON ${path} FOR EACH ROW ` +
      `WHEN ((${[place.plainColumn, ...place.ownerColumns].map(isChanged).join(' OR ')}) ` +
      `AND NEW.${envelope} IS NOT DISTINCT FROM OLD.${envelope} ` +
      `AND (NEW.${plain} IS NOT NULL OR NEW.${envelope} IS NOT NULL)) ` +
      `EXECUTE FUNCTION ${functionPath(place)}()`,
  ]
}

/** The opposite of {@link beginAdoption}. */
export function endAdoption(place: AdoptedPlace, ownSchema: string | null): string[] {
  const path = placePath(place)
  return [
    ...triggerNames(place).map((name) => `DROP TRIGGER IF EXISTS ${quote(name)} ON ${path}`),
    `DROP FUNCTION IF EXISTS ${functionPath(place)}()`,
    `DELETE FROM ${adoptionTable(ownSchema)} WHERE "table_name" = ${literal(placeLabel(place))} ` +
      `AND "column_name" = ${literal(place.plainColumn)}`,
  ]
}

function isChanged(column: string): string {
  return `${bytesOf(`NEW.${quote(column)}`)} IS DISTINCT FROM ${bytesOf(`OLD.${quote(column)}`)}`
}

/** Text and collation "C": any two values that differ at all are distinct, also of types without `=`. */
function bytesOf(value: string): string {
  return `(${value})::text COLLATE "C"`
}

function functionPath({ schema, table, plainColumn }: AdoptedPlace): string {
  const name = quote(ownName(table, plainColumn))
  return schema === null ? name : `${quote(schema)}.${name}`
}

/**
 * FOR SHARE makes a change of the record wait for the transactions that acted on it, and a snapshot from
 * before the change fail to serialize: no writer is let through by a record that is out of date. SECURITY
 * DEFINER, because writers from before need no right to the record. The former column may be emptied by
 * itself once it is sealed.
 */
function createFunction(place: AdoptedPlace, ownSchema: string | null): string {
  const { plainColumn, envelopeColumn, indexColumns } = place
  const cleared = [envelopeColumn, ...indexColumns].map((name) => `NEW.${quote(name)} := NULL;`)
  const column = literal(`${placeLabel(place)}.${plainColumn}`)
  return `CREATE OR REPLACE FUNCTION ${functionPath(place)}() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $mortise$
DECLARE recorded text;
BEGIN
  SELECT a."state" INTO recorded FROM ${adoptionTable(ownSchema)} a
    WHERE a."table_name" = ${literal(placeLabel(place))} AND a."column_name" = ${literal(plainColumn)}
    FOR SHARE;
  IF recorded IN ('dual', 'backfilled') THEN
    ${cleared.join(' ')}
    RETURN NEW;
  END IF;
  IF recorded = 'sealed' AND TG_OP = 'UPDATE' AND NEW.${quote(plainColumn)} IS NULL THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'mortise: % is read from its envelope (adoption: %), and this statement writes it in clear only',
    ${column}, coalesce(recorded, 'not recorded')
    USING ERRCODE = 'object_not_in_prerequisite_state',
    HINT = 'The writer does not know the adoption: deploy the application that declares it.';
END $mortise$`
}
