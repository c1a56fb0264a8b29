import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shred } from '../../../src/rotation'
import { type Clinic, openClinic, Patient, person } from './clinic'

let clinic: Clinic

beforeAll(async () => {
  clinic = await openClinic()
  await clinic.dataSource.getRepository(Patient).save([1, 2, 3].map(person))
})

afterAll(() => clinic?.close())

/** What a check finds in a database that was changed, which is put back afterwards. */
async function broken(check: string, change: string, back: string) {
  await clinic.sql(change)
  try {
    return await clinic.check(check)
  } finally {
    await clinic.sql(back)
  }
}

describe('tables', () => {
  it('are as declared', async () => {
    expect(await clinic.check('tables')).toMatchObject([{ status: 'ok', fix: null }])
  })

  it.each([
    [
      'a missing table',
      'ALTER TABLE mortise_job_row RENAME TO away',
      'ALTER TABLE away RENAME TO mortise_job_row',
      'problem',
      'mortise_job_row',
      'npx mortise init',
    ],
    [
      'a missing column',
      'ALTER TABLE mortise_key RENAME kcv TO away',
      'ALTER TABLE mortise_key RENAME away TO kcv',
      'problem',
      'mortise_key.kcv',
      'ALTER TABLE "mortise_key" ADD COLUMN "kcv" bytea NOT NULL;',
    ],
    [
      'a column of another type',
      'ALTER TABLE mortise_key ALTER version TYPE bigint',
      'ALTER TABLE mortise_key ALTER version TYPE integer',
      'problem',
      'mortise_key.version',
      'ALTER TABLE "mortise_key" ALTER COLUMN "version" TYPE integer;',
    ],
    [
      'a column that takes NULL',
      'ALTER TABLE mortise_key ALTER kcv DROP NOT NULL',
      'ALTER TABLE mortise_key ALTER kcv SET NOT NULL',
      'warning',
      'mortise_key.kcv',
      'ALTER TABLE "mortise_key" ALTER COLUMN "kcv" SET NOT NULL;',
    ],
    [
      'an unknown column',
      'ALTER TABLE mortise_key ADD later text',
      'ALTER TABLE mortise_key DROP later',
      'warning',
      'mortise_key.later',
      'install the release',
    ],
    [
      'a missing unique constraint',
      'ALTER TABLE mortise_key DROP CONSTRAINT mortise_key_version_unique',
      'ALTER TABLE mortise_key ADD CONSTRAINT mortise_key_version_unique UNIQUE (domain, purpose, version)',
      'problem',
      'mortise_key',
      'ALTER TABLE "mortise_key" ADD CONSTRAINT "mortise_key_version_unique" UNIQUE ("domain", "purpose", "version");',
    ],
    [
      'a missing partial index',
      'ALTER INDEX mortise_key_active_unique RENAME TO away; DROP INDEX away',
      `CREATE UNIQUE INDEX mortise_key_active_unique ON mortise_key (domain, purpose) WHERE state = 'active'`,
      'problem',
      'mortise_key',
      'CREATE UNIQUE INDEX IF NOT EXISTS "mortise_key_active_unique"',
    ],
    [
      'a missing reference',
      'ALTER TABLE mortise_key_wrap DROP CONSTRAINT mortise_key_wrap_key_fk',
      'ALTER TABLE mortise_key_wrap ADD CONSTRAINT mortise_key_wrap_key_fk FOREIGN KEY (key_id) REFERENCES mortise_key ON DELETE CASCADE',
      'problem',
      'mortise_key_wrap',
      'FOREIGN KEY ("key_id") REFERENCES "mortise_key" ("id") ON DELETE CASCADE;',
    ],
  ])('%s', async (_what, change, back, status, subject, fix) => {
    const findings = await broken('tables', change, back)
    expect(findings[0]).toMatchObject({ status, subject, fix: expect.stringContaining(fix) })
  })

  it.each([
    'ALTER TABLE mortise_key ALTER version TYPE bigint',
    'ALTER TABLE mortise_key_wrap DROP CONSTRAINT mortise_key_wrap_key_fk',
    'DROP INDEX mortise_key_active_unique',
    'ALTER TABLE mortise_key_wrap DROP CONSTRAINT mortise_key_wrap_pk',
  ])('their fix is right: %s', async (change) => {
    await clinic.sql(change)
    const [finding] = await clinic.check('tables')
    await clinic.sql(String(finding?.fix))
    expect(await clinic.check('tables')).toMatchObject([{ status: 'ok' }])
  })
})

describe('schema', () => {
  it('is as the entities declare it', async () => {
    expect(await clinic.check('schema')).toMatchObject([
      { status: 'ok', finding: 'all 7 are as the entities declare them' },
    ])
  })

  it.each([
    [
      'a missing column',
      'ALTER TABLE patient RENAME age_lofi TO away',
      'ALTER TABLE patient RENAME away TO age_lofi',
      'problem',
      'Patient.age (patient.age_lofi)',
      'does not exist',
    ],
    [
      'plaintext',
      'ALTER TABLE patient RENAME nurse TO away; ALTER TABLE patient ADD nurse varchar(80)',
      'ALTER TABLE patient DROP nurse; ALTER TABLE patient RENAME away TO nurse',
      'problem',
      'Patient.nurse (patient.nurse)',
      'is of type character varying(80), and must be bytea: values that are stored there are in clear',
    ],
    [
      'a column that refuses NULL',
      'ALTER TABLE patient ALTER age SET NOT NULL',
      'ALTER TABLE patient ALTER age DROP NOT NULL',
      'problem',
      'Patient.age (patient.age)',
      'refuses NULL',
    ],
    [
      'a column that takes NULL',
      'ALTER TABLE patient ALTER email_hmac DROP NOT NULL',
      'ALTER TABLE patient ALTER email_hmac SET NOT NULL',
      'warning',
      'Patient.email (patient.email_hmac)',
      'takes NULL',
    ],
  ])('%s', async (_what, change, back, status, subject, finding) => {
    const findings = await broken('schema', change, back)
    expect(findings).toMatchObject([{ status, subject, finding: expect.stringContaining(finding) }])
  })

  it('leaves the other checks something to say where a table is away', async () => {
    await clinic.sql('ALTER TABLE patient RENAME TO away')
    try {
      for (const check of ['indexes', 'stored-values', 'hidden-columns', 'constraints']) {
        expect(await clinic.check(check)).toMatchObject([{ status: 'skipped' }])
      }
      const findings = await clinic.check('schema')
      expect(findings).toHaveLength(7)
      expect(findings[0]).toMatchObject({
        status: 'problem',
        subject: 'Patient.email (patient.email)',
      })
    } finally {
      await clinic.sql('ALTER TABLE away RENAME TO patient')
    }
  })
})

describe('indexes', () => {
  const indexes = async (column: string) => {
    const rows = await clinic.sql(
      `SELECT x.relname AS name FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        WHERE i.indrelid = 'patient'::regclass AND pg_get_indexdef(i.indexrelid) LIKE '%("${column}%'
          OR i.indrelid = 'patient'::regclass AND pg_get_indexdef(i.indexrelid) LIKE '%(${column}%'`,
    )
    return rows.map(({ name }) => String(name))
  }

  it('are there', async () => {
    expect(await clinic.check('indexes')).toMatchObject([
      { status: 'ok', finding: 'all 4 declared indexes are there and valid' },
    ])
  })

  it.each(['age_lofi', 'ward', 'nurse_hmac'])('one that is missing over %s', async (column) => {
    const [name] = await indexes(column)
    await clinic.sql(`DROP INDEX "${name}"`)
    const findings = await clinic.check('indexes')
    expect(findings).toMatchObject([{ status: 'warning' }])
    expect(findings[0]?.finding).toBe('has no index: a query reads the whole table')
    await clinic.sql(String(findings[0]?.fix))
    expect(await clinic.check('indexes')).toMatchObject([{ status: 'ok' }])
    const { upQueries } = await clinic.dataSource.driver.createSchemaBuilder().log()
    expect(upQueries).toEqual([])
  })

  it('a unique constraint that is missing', async () => {
    const [name] = await indexes('email_hmac')
    await clinic.sql(`ALTER TABLE patient DROP CONSTRAINT "${name}"`)
    await clinic.sql('CREATE INDEX plain ON patient (email_hmac)')
    const findings = await clinic.check('indexes')
    expect(findings).toMatchObject([
      { status: 'problem', subject: 'Patient.email (patient.email_hmac)' },
    ])
    expect(findings[0]?.finding).toContain('duplicates are not refused')
    await clinic.sql('DROP INDEX plain')
    for (const statement of String(findings[0]?.fix).split(/(?<=;) /)) await clinic.sql(statement)
    expect(await clinic.check('indexes')).toMatchObject([{ status: 'ok' }])
    const { upQueries } = await clinic.dataSource.driver.createSchemaBuilder().log()
    expect(upQueries).toEqual([])
  })

  it('one that is not valid', async () => {
    const [name] = await indexes('age_lofi')
    const mark = `UPDATE pg_index SET indisvalid = $1 WHERE indexrelid = '"${name}"'::regclass`
    await clinic.sql(mark, [false])
    const findings = await clinic.check('indexes')
    expect(findings).toMatchObject([
      { status: 'warning', subject: 'Patient.age (patient.age_lofi)' },
    ])
    expect(findings[0]?.finding).toContain('is not valid')
    await clinic.sql(String(findings[0]?.fix))
    expect(await clinic.check('indexes')).toMatchObject([{ status: 'ok' }])
  })

  it('over a column that is missing are left to the check of the schema', async () => {
    const rename = (from: string, to: string) => `ALTER TABLE patient RENAME ${from} TO ${to}`
    const findings = await broken('indexes', rename('age_lofi', 'away'), rename('away', 'age_lofi'))
    expect(findings).toMatchObject([
      { status: 'ok', finding: 'all 2 declared indexes are there and valid' },
      { status: 'skipped', finding: '2 are over columns that do not exist' },
    ])
  })

  it('of other shapes serve as well, partial ones do not', async () => {
    const [name] = await indexes('nurse_hmac')
    await clinic.sql(`DROP INDEX "${name}"`)
    await clinic.sql('CREATE INDEX hashed ON patient USING hash (nurse_hmac)')
    expect(await clinic.check('indexes')).toMatchObject([{ status: 'ok' }])
    await clinic.sql('DROP INDEX hashed')
    await clinic.sql(`CREATE INDEX part ON patient (nurse_hmac) WHERE ward = 'a'`)
    expect(await clinic.check('indexes')).toMatchObject([{ status: 'warning' }])
    await clinic.sql('DROP INDEX part')
    await clinic.sql('CREATE INDEX coarse ON patient USING brin (nurse_hmac)')
    expect(await clinic.check('indexes')).toMatchObject([{ status: 'warning' }])
    await clinic.sql('DROP INDEX coarse')
    await clinic.sql(`CREATE INDEX "${name}" ON patient (nurse_hmac)`)
  })
})

describe('stored values', () => {
  it('are envelopes', async () => {
    expect(await clinic.check('stored-values')).toMatchObject([{ status: 'ok' }])
  })

  it.each([
    ['age', `'plain'`, 'Patient.age (patient.age)'],
    ['age', `''`, 'Patient.age (patient.age)'],
    ['"Free Text"', `'allergic'`, 'Patient.notes (patient.Free Text)'],
  ])('one of %s that is %s', async (column, value, subject) => {
    await clinic.sql(`CREATE TABLE kept AS SELECT * FROM patient WHERE id = 2`)
    await clinic.sql(`UPDATE patient SET ${column} = ${value} WHERE id = 2`)
    const findings = await clinic.check('stored-values')
    expect(findings).toMatchObject([{ status: 'problem', subject }])
    expect(await clinic.sql(String(findings[0]?.fix))).toEqual([{ id: 2 }])
    expect(JSON.stringify(findings)).not.toContain('allergic')
    await clinic.sql(`UPDATE patient SET ${column} = kept.${column} FROM kept WHERE patient.id = 2`)
    await clinic.sql('DROP TABLE kept')
  })

  it('of several columns are found in rows of their own', async () => {
    await clinic.sql(`CREATE TABLE kept AS SELECT * FROM patient`)
    await clinic.sql(`UPDATE patient SET age = 'plain' WHERE id = 3`)
    await clinic.sql(`UPDATE patient SET "Free Text" = 'plain' WHERE id = 1`)
    const findings = await clinic.check('stored-values')
    expect(findings.map(({ subject }) => subject).sort()).toEqual([
      'Patient.age (patient.age)',
      'Patient.notes (patient.Free Text)',
    ])
    await clinic.sql(
      `UPDATE patient SET age = kept.age, "Free Text" = kept."Free Text" FROM kept WHERE patient.id = kept.id`,
    )
    await clinic.sql('DROP TABLE kept')
  })

  it('are read although a CHECK exists, unless it holds for all rows', async () => {
    await clinic.sql(`CREATE TABLE kept AS SELECT * FROM patient WHERE id = 2`)
    await clinic.sql(`UPDATE patient SET age = 'plain' WHERE id = 2`)
    await clinic.sql(
      'ALTER TABLE patient ADD CONSTRAINT late CHECK (get_byte(age, 0) = 225) NOT VALID',
    )
    expect(await clinic.check('stored-values')).toMatchObject([
      { status: 'problem', subject: 'Patient.age (patient.age)' },
    ])
    await clinic.sql(`UPDATE patient SET age = kept.age FROM kept WHERE patient.id = 2`)
    await clinic.sql('ALTER TABLE patient DROP CONSTRAINT late; DROP TABLE kept')
  })

  it('of a table that is read too slowly are skipped, unless deep', async () => {
    await clinic.sql(`CREATE TABLE kept AS SELECT * FROM patient`)
    await clinic.sql('TRUNCATE patient')
    await clinic.sql('INSERT INTO patient SELECT * FROM kept')
    await clinic.sql(
      `CREATE FUNCTION slow(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT $1 FROM pg_sleep(0.2) $$`,
    )
    await clinic.sql('ALTER TABLE patient RENAME TO away')
    await clinic.sql(
      'CREATE VIEW patient AS SELECT id, ward, email, email_hmac, slow(age) AS age, age_lofi, "Free Text", nurse, nurse_hmac FROM away',
    )
    try {
      const quick = await clinic.check('stored-values', { patienceMs: 100 })
      expect(quick).toContainEqual(
        expect.objectContaining({
          status: 'skipped',
          subject: 'Patient.age (patient.age)',
          fix: expect.stringContaining('--deep'),
        }),
      )
      expect(await clinic.check('stored-values', { patienceMs: 100, deep: true })).toMatchObject([
        { status: 'ok' },
      ])
    } finally {
      await clinic.sql('DROP VIEW patient')
      await clinic.sql('ALTER TABLE away RENAME TO patient')
      await clinic.sql('DROP FUNCTION slow; DROP TABLE kept')
    }
  })
})

describe('hidden columns', () => {
  it('are filled', async () => {
    expect(await clinic.check('hidden-columns')).toMatchObject([{ status: 'ok' }])
  })

  it('that are NULL beside a value', async () => {
    const [row] = await clinic.sql('SELECT age_lofi FROM patient WHERE id = 2')
    await clinic.sql('UPDATE patient SET age_lofi = NULL WHERE id = 2')
    const findings = await clinic.check('hidden-columns')
    expect(findings).toMatchObject([
      { status: 'problem', subject: 'Patient.age (patient.age_lofi)' },
    ])
    expect(findings[0]?.finding).toContain('queries by it miss the row')
    expect(await clinic.sql(String(findings[0]?.fix))).toEqual([{ id: 2 }])
    await clinic.sql('UPDATE patient SET age_lofi = $1 WHERE id = 2', [row?.age_lofi])
  })

  it('that are filled without a value', async () => {
    await clinic.sql('UPDATE patient SET age = NULL WHERE id = 2')
    const findings = await clinic.check('hidden-columns')
    expect(findings).toMatchObject([
      { status: 'problem', subject: 'Patient.age (patient.age_lofi)' },
    ])
    expect(findings[0]?.finding).toContain('tells of one that is gone')
    await clinic.sql(String(findings[0]?.fix))
    expect(await clinic.check('hidden-columns')).toMatchObject([{ status: 'ok' }])
  })

  it('of a shredded subject are empty, and of no other', async () => {
    await shred(clinic.dataSource, { subject: 'w3' })
    expect(await clinic.sql('SELECT nurse_hmac FROM patient WHERE id = 3')).toEqual([
      { nurse_hmac: null },
    ])
    expect(await clinic.check('hidden-columns')).toMatchObject([{ status: 'ok' }])
    await clinic.sql('UPDATE patient SET nurse_hmac = NULL WHERE id = 1')
    expect(await clinic.check('hidden-columns')).toMatchObject([
      { status: 'problem', subject: 'Patient.nurse (patient.nurse_hmac)' },
    ])
  })
})

describe('constraints', () => {
  it('are offered for each column that has none', async () => {
    const findings = await clinic.check('constraints')
    expect(findings.map(({ status, subject }) => [status, subject])).toEqual([
      ['warning', 'Patient.age (patient.age)'],
      ['warning', 'Patient.notes (patient.Free Text)'],
      ['warning', 'Patient.nurse (patient.nurse)'],
    ])
    expect(findings[1]?.fix).toBe(
      [
        `ALTER TABLE "patient" ADD CONSTRAINT "patient_Free Text_sealed" CHECK ("Free Text" LIKE 'mrt1.%') NOT VALID;`,
        'ALTER TABLE "patient" VALIDATE CONSTRAINT "patient_Free Text_sealed";',
        `-- and on the entity, or the next migration drops it: @Check('patient_Free Text_sealed', \`"Free Text" LIKE 'mrt1.%'\`)`,
      ].join('\n'),
    )
  })

  it('that were made by the fix refuse plaintext and need the entity', async () => {
    for (const { fix } of await clinic.check('constraints')) await clinic.sql(String(fix))
    await expect(clinic.sql(`UPDATE patient SET nurse = 'plain'`)).rejects.toThrow(
      'patient_nurse_sealed',
    )
    await clinic.dataSource.getRepository(Patient).save(person(4))
    const findings = await clinic.check('constraints')
    expect(findings).toHaveLength(3)
    expect(findings[0]).toMatchObject({
      status: 'warning',
      finding: 'CHECK patient_age_sealed is on no entity: the next migration drops it',
      fix: `@Check('patient_age_sealed', \`get_byte("age", 0) = 225\`)`,
    })
    const { upQueries } = await clinic.dataSource.driver.createSchemaBuilder().log()
    expect(upQueries.map(({ query }) => query).join()).toContain(
      'DROP CONSTRAINT "patient_age_sealed"',
    )
  })

  it('that are not validated, refuse envelopes, or are about something else', async () => {
    await clinic.sql(
      'ALTER TABLE patient DROP CONSTRAINT patient_nurse_sealed, DROP CONSTRAINT patient_age_sealed',
    )
    await clinic.sql(
      `ALTER TABLE patient ADD CONSTRAINT late CHECK (substring(nurse from 1 for 1) = '\\xe1') NOT VALID`,
    )
    await clinic.sql(
      'ALTER TABLE patient ADD CONSTRAINT short CHECK (octet_length(age) < 50) NOT VALID',
    )
    await clinic.sql('ALTER TABLE patient DROP CONSTRAINT "patient_Free Text_sealed"')
    await clinic.sql(`ALTER TABLE patient ADD CONSTRAINT long CHECK ("Free Text" ~ '...')`)
    const findings = await clinic.check('constraints')
    expect(findings).toMatchObject([
      {
        status: 'problem',
        finding: 'CHECK short refuses envelopes: no value can be written',
        fix: 'ALTER TABLE "patient" DROP CONSTRAINT "short";',
      },
      { status: 'warning', finding: expect.stringMatching(/^no CHECK/) },
      { status: 'warning', fix: 'ALTER TABLE "patient" VALIDATE CONSTRAINT "late";' },
    ])
  })
})
