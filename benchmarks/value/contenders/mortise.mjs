// mortise as TypeORM's read and write path uses it: the fields of a record share one DEK, records are
// sealed and pages are opened at once. These are the package's inner functions; `cipher` is the public
// one for single fields, with which each value has a DEK of its own.
import { createRequire } from 'node:module'
import {
  createFieldCipher,
  createKeyring,
  generateRootKey,
  inAppKeyProvider,
  memoryKeyStore,
} from '../../../dist/index.mjs'

const require = createRequire(import.meta.url)
const { tokensOf } = require('../../../dist/blind-index/token.js')
const { createKeyRequest } = require('../../../dist/envelope/key-request.js')
const { openMany } = require('../../../dist/envelope/open-many.js')
const { sealRecords } = require('../../../dist/envelope/seal.js')
const { defineField } = require('../../../dist/field.js')
const { keyAccess } = require('../../../dist/keys/keyring.js')

const FIELDS = ['v1', 'v2', 'v3', 'v4', 'v5']

export async function create({ cipher = false } = {}) {
  const provider = inAppKeyProvider({ name: 'bench', secret: generateRootKey() })
  const keyring = createKeyring({ providers: [provider], store: memoryKeyStore() })
  await keyring.ready()
  return cipher ? singleFields(keyring) : records(keyring)
}

async function singleFields(keyring) {
  const cipher = createFieldCipher(keyring, { field: 'bench.value', exact: true })
  return {
    singleOnly: true,
    async sealRecords(given) {
      const sealed = await cipher.sealMany(given.map(([text]) => text))
      return sealed.map((envelope) => [envelope])
    },
    async openRecords(sealed) {
      const texts = await cipher.openMany(sealed.map(([envelope]) => envelope))
      return texts.map((text) => [text])
    },
    async tokens(texts) {
      const tokens = []
      for (const text of texts) tokens.push(await cipher.token(text))
      return tokens
    },
  }
}

async function records(keyring) {
  const access = keyAccess(keyring)
  const fields = FIELDS.map((name) => createField(name))
  await access.declareIndexes(fields.map(({ field }) => field.declaration))
  const key = await access.sealingKey()
  const tokenKey = await access.tokenKey(fields[0].field.indexName)
  const { keyOf } = await access.keysFor({
    ...createKeyRequest().request,
    data: new Set([key.id]),
  })

  /** @returns a function that opens all of it, field by field, and does nothing else */
  function openingOf(sealed) {
    const inputs = sealed.flatMap((envelopes) =>
      envelopes.map((envelope, i) => ({ envelope, field: fields[i].context })),
    )
    return () => openMany(keyOf, inputs)
  }

  return {
    sealRecords: (given) =>
      sealRecords(
        given.map((texts) => ({
          key,
          values: texts.map((text, i) => ({
            field: fields[i].context,
            encoded: fields[i].field.encode(text),
          })),
        })),
      ),
    async openRecords(sealed) {
      const texts = await openingOf(sealed)()
      const width = sealed[0]?.length ?? 0
      return sealed.map((_, row) => texts.slice(row * width, (row + 1) * width))
    },
    openingOf,
    tokens: (texts) =>
      tokensOf(
        tokenKey,
        texts.map((text) => fields[0].field.encodeForToken(text)),
      ),
  }
}

function createField(name) {
  const field = defineField({
    name: `Bench.${name}`,
    fieldId: `bench.${name}`,
    type: 'string',
    exact: true,
  })
  return { field, context: field.context('default') }
}
