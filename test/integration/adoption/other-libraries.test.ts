import 'reflect-metadata'
import { decryptStringSync, encryptStringSync, generateKey, parseKeySync } from '@47ng/cloak'
import {
  Column,
  Entity,
  getMetadataArgsStorage,
  IsNull,
  PrimaryColumn,
  type ValueTransformer,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import { adopt } from '../../../src/rotation'
import { Encrypted } from '../../../src/typeorm'
import { createDatabase, type TestDatabase } from '../../database'
import type { Version } from './people'
import { type Instance, migrate, startInstance } from './start-instance'

interface Account {
  id: number
  value: string | null
}

const cloakKey = parseKeySync(generateKey())
/** The functions themselves; prisma-field-encryption calls them for each annotated field. */
const cloak: ValueTransformer = {
  to: (value: string | null) => value && encryptStringSync(value, cloakKey),
  from: (value: string | null) => value && decryptStringSync(value, cloakKey),
}
/** Both lines of TypeORM share one global storage, and typeorm-encrypted brings the other one along. */
async function typeormEncrypted(options: { algorithm: string; iv?: string }) {
  getMetadataArgsStorage()
  const { EncryptionTransformer } = await import('typeorm-encrypted')
  return new EncryptionTransformer({ key: '41'.repeat(32), ivLength: 16, ...options })
}
const constantIv = { algorithm: 'aes-256-cbc', iv: '00'.repeat(16) }

function accountIn(version: Version, transformer: ValueTransformer): new () => Account {
  class Former {}
  const prototype = Former.prototype as never
  PrimaryColumn('int')(prototype, 'id')
  const column = { type: 'text', nullable: true, transformer } as const
  if (version === 'before') Column(column)(prototype, 'value')
  else {
    const adopt = version === 'after' ? undefined : { from: 'value', state: version, column }
    const place = { name: 'value_sealed', nullable: true, ...(adopt ? { adopt } : {}) }
    Encrypted({ type: 'string', exact: true, range: { prefix: 2 }, ...place })(prototype, 'value')
  }
  Entity('account')(Former)
  return Former as new () => Account
}

describe.each([
  ['typeorm-encrypted', () => typeormEncrypted({ algorithm: 'aes-256-gcm' }), true],
  ['typeorm-encrypted with a constant IV', () => typeormEncrypted(constantIv), false],
  ['@47ng/cloak, as prisma-field-encryption uses it', async () => cloak, true],
])('a column of %s', (_, load, isRandom) => {
  let database: TestDatabase
  let transformer: ValueTransformer
  const secret = generateRootKey()
  const opened: Instance[] = []
  const start = async (version: Version, synchronize = false): Promise<Instance<Account>> => {
    const place = { url: database.url, secret: version === 'before' ? null : secret }
    const instance = await startInstance(place, accountIn(version, transformer), { synchronize })
    opened.push(instance)
    return instance
  }
  const valuesOf = async ({ dataSource, entity }: Instance<Account>) =>
    (await dataSource.getRepository(entity).find({ order: { id: 'ASC' } })).map(
      ({ value }) => value ?? null,
    )
  const write = ({ dataSource, entity }: Instance<Account>, id: number, value: string | null) =>
    dataSource.getRepository(entity).save({ id, value })
  const find = async ({ dataSource, entity }: Instance<Account>, where: object) =>
    (await dataSource.getRepository(entity).find({ where })).map(({ id }) => id)

  beforeAll(async () => {
    database = await createDatabase()
    transformer = await load()
  })
  afterAll(async () => {
    for (const { dataSource } of opened) await dataSource.destroy()
    await database?.drop()
  })

  it('becomes an encrypted property, read by both sides meanwhile', async () => {
    const before = await start('before', true)
    for (const [id, value] of [
      [1, 'Ada'],
      [2, null],
      [3, 'mrt1.no envelope'],
    ] as const) {
      await write(before, id, value)
    }
    const dual = await start('dual')
    await migrate(dual.dataSource)
    expect(await valuesOf(dual)).toEqual(['Ada', null, 'mrt1.no envelope'])
    await write(dual, 4, 'Grace')
    await write(before, 5, 'Edsger')
    expect(await valuesOf(before)).toEqual(await valuesOf(dual))
    expect(await find(dual, { value: IsNull() })).toEqual([2])
    if (isRandom) {
      const refusal = { code: 'ERR_QUERY_UNSUPPORTED', field: 'Former.value' }
      await expect(find(dual, { value: 'Ada' })).rejects.toMatchObject(refusal)
      const builder = dual.dataSource.getRepository(dual.entity).createQueryBuilder('a')
      await expect(builder.where('a.value = :v', { v: 'Ada' }).getMany()).rejects.toMatchObject(
        refusal,
      )
      const sorted = dual.dataSource.getRepository(dual.entity).find({ order: { value: 'ASC' } })
      await expect(sorted).rejects.toMatchObject(refusal)
    } else {
      expect(await find(dual, { value: 'Ada' })).toEqual([1])
    }

    expect(await adopt(dual.dataSource, { to: 'backfilled' })).toMatchObject({
      done: 3,
      failed: [],
    })
    const verify = await adopt(dual.dataSource, { to: 'verified' })
    expect(verify).toMatchObject({ done: 4, failed: [], corrected: 0 })
    await expect(write(before, 6, 'late')).rejects.toThrow(/is read from its envelope/)

    const verified = await start('verified')
    await migrate(verified.dataSource)
    expect(await find(verified, { value: 'Ada' })).toEqual([1])
    await write(verified, 1, 'Ada L.')
    expect(await valuesOf(dual)).toEqual(await valuesOf(verified))

    await adopt(verified.dataSource, { to: 'sealed' })
    const after = await start('after')
    await migrate(after.dataSource)
    expect(await valuesOf(after)).toEqual(['Ada L.', null, 'mrt1.no envelope', 'Grace', 'Edsger'])
  })
})
