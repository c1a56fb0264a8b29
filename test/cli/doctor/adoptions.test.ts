import { Column, Entity, PrimaryColumn } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encrypted } from '../../../src/typeorm'
import { type Clinic, openClinic } from './clinic'

@Entity()
class Guest {
  @PrimaryColumn('int') id!: number
  @Column('text') room!: string
  @Encrypted({
    type: 'string',
    exact: { unique: true },
    name: 'email_sealed',
    adopt: { from: 'email', state: 'dual', column: { type: 'varchar', length: 80 } },
  })
  email!: string
}

let clinic: Clinic

beforeAll(async () => {
  clinic = await openClinic({}, { entities: [Guest] })
  await clinic.dataSource.getRepository(Guest).save({ id: 1, room: 'a', email: 'ada@example.com' })
  await clinic.sql(`UPDATE guest SET email = 'eve@example.com'`)
})

afterAll(() => clinic?.close())

describe('a column that is being adopted', () => {
  it('is well, and so are its columns', async () => {
    expect(await clinic.check('adoptions')).toMatchObject([
      {
        ...{ status: 'ok', subject: 'Guest.email (guest.email)' },
        finding: 'is declared dual, and recorded as dual',
      },
    ])
    for (const check of ['tables', 'schema', 'indexes', 'stored-values', 'hidden-columns']) {
      expect(await clinic.check(check)).toMatchObject([{ status: 'ok' }])
    }
  })

  it('has triggers that are disabled, which the fix makes anew', async () => {
    await clinic.sql('ALTER TABLE guest DISABLE TRIGGER USER')
    const [finding] = await clinic.check('adoptions')
    expect(finding).toMatchObject({ status: 'problem' })
    await clinic.sql(String(finding?.fix))
    expect(await clinic.check('adoptions')).toMatchObject([{ status: 'ok' }])
  })

  it('has not begun, or is forgotten', async () => {
    await clinic.sql(`UPDATE mortise_adoption SET column_name = 'name'`)
    expect(await clinic.check('adoptions')).toMatchObject([
      { status: 'problem', finding: 'is declared dual, and its adoption has not begun' },
      { status: 'warning', subject: 'guest.name' },
    ])
    await clinic.sql(`UPDATE mortise_adoption SET column_name = 'email'`)
  })
})
