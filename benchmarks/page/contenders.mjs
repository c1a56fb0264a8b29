// How each contender declares the same two tables, `bare` and `indexed`, and what it stores in them.
import { randomBytes } from 'node:crypto'
import { EntitySchema } from 'typeorm'
import { createKeyring, inAppKeyProvider } from '../../dist/index.mjs'
import { rotateKek } from '../../dist/rotation/index.mjs'
import { encryptedColumn, withEncryption } from '../../dist/typeorm/index.mjs'
import { countCalls } from '../lib/count-calls.mjs'
import { create as createSealer } from '../value/contenders/mortise.mjs'
import { COLUMNS, EXACT, RANGE, textsOf } from './rows.mjs'

/** Under so many KEKs, one after the other, the rows of mortise are sealed. */
export const KEK_VERSIONS = 3

/**
 * `columns(isIndexed)` and `indices(isIndexed)` declare the entities, `rowAt(id, isIndexed)` gives what is
 * inserted, `changed(text)` what a city is set to, `textsIn(found)` what read rows say.
 */
export const contenders = {
  async plain() {
    const columns = () =>
      Object.fromEntries(
        // The order of strings that the range index of mortise has.
        COLUMNS.map((name) => [name, { type: 'text', ...(name === RANGE && { collation: 'C' }) }]),
      )
    return { ...texts, columns, indices: indexes(EXACT, RANGE), connect: (source) => source }
  },

  /** Their bytes, written and read by TypeORM without opening them: no encryption can be faster. */
  async 'transport floor'({ rows }) {
    const { sealRecords, openRecords, tokens } = await createSealer()
    const ids = Array.from({ length: rows }, (_, i) => i + 1)
    const sealed = await sealRecords(ids.map((id) => COLUMNS.map((name) => textsOf(id)[name])))
    const hmacs = await tokens(ids.map((id) => textsOf(id)[EXACT]))
    const rowAt = (id, isIndexed) => ({
      id,
      ...Object.fromEntries(COLUMNS.map((name, i) => [name, sealed[id - 1][i]])),
      ...(isIndexed ? { hmac: hmacs[id - 1], lofi: textsOf(id)[RANGE].slice(0, 2) } : {}),
    })
    return {
      rowAt,
      columns: (isIndexed) => ({
        ...Object.fromEntries(COLUMNS.map((name) => [name, { type: 'bytea' }])),
        ...(isIndexed
          ? {
              hmac: { type: 'bytea', select: false },
              lofi: { type: 'text', collation: 'C', select: false },
            }
          : {}),
      }),
      indices: indexes('hmac', 'lofi'),
      connect: (source) => source,
      changed: (text) => Buffer.concat([randomBytes(99), Buffer.from(text)]),
      async textsIn(found) {
        const opened = await openRecords(found.map((row) => COLUMNS.map((name) => row[name])))
        return opened.map((values) =>
          Object.fromEntries(COLUMNS.map((name, i) => [name, values[i]])),
        )
      },
    }
  },

  async 'typeorm-encrypted'() {
    const { EncryptionTransformer } = await import('typeorm-encrypted')
    const key = randomBytes(32).toString('hex')
    const options = { key, algorithm: 'aes-256-gcm', ivLength: 12 }
    const columns = () =>
      Object.fromEntries(
        COLUMNS.map((name) => [
          name,
          { type: 'text', transformer: new EncryptionTransformer(options) },
        ]),
      )
    // Nothing that it stores can be asked for: it has no index.
    return { ...texts, columns, indices: () => [], connect: (source) => source, indexed: false }
  },

  async mortise({ secret }) {
    const columns = (isIndexed) =>
      Object.assign({}, ...COLUMNS.map((name) => encryptedColumn(name, optionsOf(name, isIndexed))))
    let calls
    let keyring
    const connect = (source) => {
      calls = countCalls(inAppKeyProvider({ name: 'bench', secret }))
      keyring = createKeyring({ providers: [calls.provider] })
      return withEncryption(source, { keyring })
    }
    return {
      ...texts,
      columns,
      connect,
      indices: () => [],
      nextKey: () => rotateKek(keyring, { purpose: 'data' }),
      calls: () => calls.dataCalls,
      closeKeys: () => keyring.close(),
    }
  },
}

const texts = {
  rowAt: (id) => ({ id, ...textsOf(id) }),
  changed: (text) => text,
  textsIn: async (found) => found,
}

const indexes = (exact, range) => (isIndexed) =>
  isIndexed ? [{ columns: [exact] }, { columns: [range] }] : []

function optionsOf(name, isIndexed) {
  if (isIndexed && name === EXACT) return { type: 'string', exact: true }
  if (isIndexed && name === RANGE) return { type: 'string', range: { prefix: 2 } }
  return { type: 'string' }
}

/** @returns the schemas of `bare` and `indexed` */
export function schemasOf({ columns, indices }) {
  return ['bare', 'indexed'].map((name) => {
    const isIndexed = name === 'indexed'
    return new EntitySchema({
      name,
      columns: { id: { type: 'int', primary: true }, ...columns(isIndexed) },
      indices: indices(isIndexed),
    })
  })
}
