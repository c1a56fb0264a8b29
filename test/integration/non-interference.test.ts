import { MoreThan } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Behaviours } from './non-interference/behaviour'
import { Secret } from './non-interference/more-entities'
import { closePair, type Options, observe, openPair, type Pair } from './non-interference/pair'
import { selects, writers } from './non-interference/queries'
import { conditions, finders } from './non-interference/reads'
import { seed } from './non-interference/seed'
import { schemas, sessions, shapes } from './non-interference/structures'
import { saves, statements } from './non-interference/writes'

const reading: Record<string, Behaviours> = { conditions, finders, selects, sessions }
const everything = { saves, statements, writers, shapes, ...reading, schemas }

const variants: { with: string; groups: Record<string, Behaviours>; options: Options }[] = [
  { with: 'one server', groups: everything, options: (url) => ({ url }) },
  {
    with: 'a replica, and relations by queries',
    groups: reading,
    options: (url) => ({
      replication: { master: { url }, slaves: [{ url }] },
      relationLoadStrategy: 'query',
    }),
  },
]

/** Whether an entry of the log is of a statement that changes nothing. */
function isRead(entry: unknown): boolean {
  const [kind, text] = entry as [string, string]
  return kind === 'query' && text.startsWith('SELECT ')
}

// The same work on two DataSources, one with withEncryption and one without. For entities without
// @Encrypted all that can be seen must be the same: results, errors, statements with their parameters,
// what subscribers hear.
describe.each(variants)('plain entities with $with', ({ groups, options }) => {
  let pair: Pair
  let logged = 0
  beforeAll(async () => {
    pair = await openPair(options)
  })
  let changed = true
  beforeEach(async () => {
    if (!changed) return
    await seed(pair.plain.source)
    await seed(pair.encrypted.source)
  })
  afterAll(() => closePair(pair))

  describe.each(Object.entries(groups))('%s', (_, behaviours) => {
    it.each(Object.entries(behaviours))('%s', async (name, behaviour) => {
      const inOrder = !name.includes('at once')
      const plain = await observe(pair.plain, behaviour, inOrder)
      const encrypted = await observe(pair.encrypted, behaviour, inOrder)
      logged += plain.log.length
      changed = !plain.log.every(isRead)
      if (name.startsWith('fails')) expect(plain.error).toBeDefined()
      else expect(plain.error).toBeUndefined()
      expect(encrypted).toEqual(plain)
    })
  })

  it('were compared, beside an encrypted one', async () => {
    expect(logged).toBeGreaterThan(100)
    const { source } = pair.encrypted
    const secrets = source.getRepository(Secret)
    expect(await secrets.findOneBy({ name: 'Ada', pages: MoreThan(60) })).toMatchObject({ id: 1 })
    const [stored] = await source.query('SELECT get_byte(name, 0) AS first FROM secret')
    expect(stored.first).toBe(0xe1)
    expect(pair.plain.source.hasMetadata(Secret)).toBe(false)
  })
})
