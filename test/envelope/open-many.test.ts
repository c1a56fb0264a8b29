import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { openMany, openManyEncoded, unlockMany } from '../../src/envelope/open-many'
import { sealEach, sealRecords } from '../../src/envelope/seal'
import { MortiseError } from '../../src/errors'
import { keysOf, refusal, testField, testKey } from './keys'

const key = testKey('a')
const field = testField({ fieldId: 'text' })
const json = testField({ fieldId: 'json', type: 'json' })
const record = (text: string, value: unknown) => ({
  key,
  values: [
    { field, encoded: encodeValue('string', text, 'f') },
    { field: json, encoded: encodeValue('json', value, 'f') },
  ],
})

describe.each([2, 3000])('%i records that are opened together', (count) => {
  test('give each value in its place, and an error where one does not open', async () => {
    const sealed = await sealRecords(
      Array.from({ length: count }, (_, i) => record(`text ${i}`, { number: i })),
    )
    const inputs = sealed.flatMap(([text, value]) => [
      { envelope: text!, field },
      { envelope: value!, field: json },
    ])
    const damaged = Buffer.from(inputs[1]!.envelope)
    damaged[damaged.length - 1]! ^= 1
    inputs[1] = { envelope: damaged, field: json }
    const opened = await openMany(keysOf(key), inputs)
    expect(opened[1]).toEqual(refusal('ERR_DECRYPTION_FAILED'))
    opened[1] = { number: 0 }
    expect(opened).toEqual(
      Array.from({ length: count }, (_, i) => [`text ${i}`, { number: i }]).flat(),
    )
    const encoded = await openManyEncoded(keysOf(key), inputs)
    expect(encoded[0]).toEqual(encodeValue('string', 'text 0', 'f'))
    expect(encoded[1]).toBeInstanceOf(MortiseError)
    const heads = inputs.map(({ envelope, field }) => ({
      envelope: envelope.subarray(0, 99),
      field,
    }))
    const another = Buffer.from(heads.at(-1)!.envelope)
    another[81]! ^= 1
    heads[heads.length - 1]!.envelope = another
    const unlocked = await unlockMany(keysOf(key), heads)
    expect(unlocked.pop()).toEqual(refusal('ERR_DECRYPTION_FAILED'))
    expect(unlocked).toEqual(heads.slice(1).map(() => true))
  })
})

test('a value that looks like an error is a value', async () => {
  const value = { name: 'MortiseError', code: 'ERR_DECRYPTION_FAILED' }
  const [envelopes] = await sealRecords([record('', value)])
  const [opened] = await openMany(keysOf(key), [{ envelope: envelopes![1]!, field: json }])
  expect(opened).not.toBeInstanceOf(MortiseError)
  expect(opened).toEqual(value)
})

test('a record that cannot be sealed hinders no other', async () => {
  const twice = { key, values: [...record('a', 1).values, ...record('b', 2).values] }
  const [bad, good] = await sealEach([twice, record('good', true)])
  expect(bad).toEqual(refusal('ERR_SEAL_REUSE'))
  const [envelope] = good as Buffer[]
  expect(await openMany(keysOf(key), [{ envelope: envelope!, field }])).toEqual(['good'])
})

test('a provider that cannot be asked is no matter of one value', async () => {
  const [envelopes] = await sealRecords([record('Ada', 1)])
  const outage = new MortiseError('ERR_KEY_PROVIDER', 'not now')
  const keyOf = () => {
    throw outage
  }
  const inputs = [{ envelope: envelopes![0]!, field }]
  for (const open of [openMany, openManyEncoded, unlockMany]) {
    await expect(open(keyOf, inputs)).rejects.toBe(outage)
  }
})
