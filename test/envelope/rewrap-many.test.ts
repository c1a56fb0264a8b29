import { beforeEach, describe, expect, test, vi } from 'vitest'
import * as keyWrap from '../../src/crypto/key-wrap'
import * as native from '../../src/crypto/native'
import { encodeValue } from '../../src/envelope/codec'
import { rewrapKeyBlock, rewrapKeyBlockByProvider } from '../../src/envelope/rewrap'
import { type MovingKeys, rewrapKeyBlocks } from '../../src/envelope/rewrap-many'
import { sealRecords } from '../../src/envelope/seal'
import { MortiseError } from '../../src/errors'
import type { DataKey, ProviderKey, SealingKey } from '../../src/keys/access'
import { testField, testKey, testProvider, testSubjectKey } from './keys'

vi.mock('../../src/crypto/key-wrap', { spy: true })
vi.mock('../../src/crypto/native', { spy: true })

const [first, second, to] = [testKey('old'), testKey('older'), testKey('new')]
const [from, target] = [testProvider('old'), testProvider('new')]
const subject = testSubjectKey('s')
const fields = ['a', 'b', 'c'].map((fieldId) => testField({ fieldId }))
const subjectField = testField({ subject: true })

/** Heads of one record after the other. */
async function headsOf(key: SealingKey, records: number): Promise<Buffer[]> {
  const of = 'subjectRef' in key ? [subjectField] : fields
  const encoded = encodeValue('string', 'Ada', 'f')
  const record = { key, values: of.map((field) => ({ field, encoded })) }
  const sealed = await sealRecords(Array.from({ length: records }, () => record))
  return sealed.flat().map((envelope) => envelope.subarray(0, envelope.length - 16 - 4))
}

function movingTo(key: DataKey | ProviderKey): MovingKeys {
  const sources = [first, second, from.deks]
  return {
    target: key,
    source: (id) => {
      if (id === key.id) return null
      const found = sources.find((source) => source.id === id)
      if (found) return found
      throw new MortiseError('ERR_KEY_NOT_FOUND', `no key ${id}`)
    },
  }
}

function flipped(head: Buffer, at: number): Buffer {
  const changed = Buffer.from(head)
  changed[at] = (changed[at] as number) ^ 1
  return changed
}

const outcome = (block: unknown): unknown =>
  block instanceof MortiseError ? [block.code, block.message] : block

describe.each(['natively where it can be', 'in JavaScript'])(
  'a page that is rewrapped %s',
  (how) => {
    beforeEach(() => {
      if (how === 'in JavaScript') vi.mocked(native.nativeAddon).mockReturnValue(null)
      else vi.mocked(native.nativeAddon).mockRestore()
    })

    test('gets for each head what it gets alone', async () => {
      const old = await headsOf(first, 400)
      const older = await headsOf(second, 3)
      const heads = [...old, ...older, ...(await headsOf(from.key, 2))]
      const blocks = await rewrapKeyBlocks(heads, movingTo(to))
      expect(blocks).toEqual(
        heads.map((head) =>
          rewrapKeyBlock(
            head,
            movingTo(to).source(head.toString('hex', 2, 10), 'data') as DataKey,
            to,
          ),
        ),
      )
    })

    test('is worked on once for the fields of one record', async () => {
      const heads = await headsOf(first, 2)
      vi.mocked(keyWrap.unwrapKey).mockClear()
      const blocks = await rewrapKeyBlocks(heads, movingTo(to))
      expect(blocks).toEqual(heads.map((head) => rewrapKeyBlock(head, first, to)))
      // Six for the comparison; the addon calls none.
      const addon = native.nativeAddon()
      expect(keyWrap.unwrapKey).toHaveBeenCalledTimes(6 + (addon ? 0 : 2))
    })

    test('leaves what is NULL, current, or under the key of a subject', async () => {
      const [current] = await headsOf(to, 1)
      const [ofSubject] = await headsOf(subject, 1)
      const [old] = await headsOf(first, 1)
      const heads = [null, current!, ofSubject!, old!]
      const blocks = await rewrapKeyBlocks(heads, movingTo(to))
      expect(blocks).toEqual([null, null, null, rewrapKeyBlock(old!, first, to)])
      expect(await rewrapKeyBlocks([null, null], movingTo(to))).toEqual([null, null])
      expect(await rewrapKeyBlocks([], movingTo(to))).toEqual([])
    })

    test('says what is wrong with one, and moves the others', async () => {
      const [head] = (await headsOf(first, 1)) as [Buffer]
      const good = rewrapKeyBlock(head, first, to)
      const cases: [Buffer, string][] = [
        [flipped(head, 20), 'ERR_DECRYPTION_FAILED'],
        [flipped(head, 81), 'ERR_DECRYPTION_FAILED'],
        [flipped(head, 3), 'ERR_KEY_NOT_FOUND'],
        [flipped(head, 0), 'ERR_ENVELOPE_VERSION'],
        [head.subarray(0, 81), 'ERR_ENVELOPE_MALFORMED'],
        [head.subarray(0, 5), 'ERR_ENVELOPE_MALFORMED'],
        [Buffer.alloc(0), 'ERR_ENVELOPE_MALFORMED'],
      ]
      const heads = cases.flatMap(([bad]) => [bad, head])
      const blocks = await rewrapKeyBlocks(heads, movingTo(to))
      expect(blocks.map((block) => (Buffer.isBuffer(block) ? block : block?.code))).toEqual(
        cases.flatMap(([, code]) => [code, good]),
      )
      expect(outcome(blocks[0])).toEqual(outcome(blocks[2]))
    })
  },
)

describe('a page that is rewrapped by a provider', () => {
  test('costs one call for each record, and gives its fields one key block', async () => {
    const heads = await headsOf(first, 2)
    target.deks.deks.clear()
    const blocks = await rewrapKeyBlocks([...heads, null], movingTo(target.key))
    expect(target.deks.deks.size).toBe(2)
    expect(blocks[1]).toEqual(blocks[0])
    expect(blocks[3]).not.toEqual(blocks[0])
    expect(blocks[6]).toBeNull()
    const block = blocks[5] as Buffer
    const back = Buffer.concat([block, heads[5]!.subarray(50)])
    expect(rewrapKeyBlock(back, target.deks, first)).toEqual(heads[5]!.subarray(0, 50))
  })

  test('ends where the provider fails, and not where a value does', async () => {
    const [head] = (await headsOf(first, 1)) as [Buffer]
    const bad = flipped(head, 20)
    const [failed] = await rewrapKeyBlocks([bad], movingTo(target.key))
    expect(failed).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' })
    await expect(rewrapKeyBlockByProvider(bad, first, target.key)).rejects.toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
    })
    const down = {
      ...target.key,
      wrapDek: () => Promise.reject(new MortiseError('ERR_KEY_PROVIDER', 'down')),
    }
    await expect(rewrapKeyBlocks([bad, head], movingTo(down))).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
    })
  })
})
